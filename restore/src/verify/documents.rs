//! What the cluster was besides its records: whether it is stored as it was written, and can be read.

use lifeboat_archive::{documents::Documents, manifest::Manifest, tarball::read_documents};

use super::{Damage, Level, Place, Report, Verify, report::unread};

impl Verify {
    pub(super) async fn check_documents(&self, manifest: &Manifest, report: &mut Report) {
        let object = &manifest.documents.object;
        let repository = self.repository.repository();
        if self.options.level < Level::Batches {
            // what is inside of archives is not looked at either
            let bytes = repository.read(&manifest.documents).await;
            if report.sound(object, bytes).is_some() {
                report.bytes += manifest.documents.size;
            }
            return;
        }
        let bytes = repository.read_plain(&manifest.documents).await;
        if let Err(why) = &bytes
            && why.is_for_want_of_identity()
        {
            // what is stored was read, and is what its hash says
            report.bytes += manifest.documents.size;
            report.unopened.push(unread(object, why));
            return;
        }
        let Some(bytes) = report.sound(object, bytes) else {
            return;
        };
        report.bytes += manifest.documents.size;
        let members = match read_documents(&bytes) {
            Ok(members) => members,
            Err(error) => {
                report
                    .damage
                    .push(Damage::new(Place::object(object), error.to_string()));
                return;
            }
        };
        let (documents, unreadable) = Documents::read_all(&members);
        let unreadable = unreadable.into_iter();
        let mut damaged: Vec<_> = unreadable
            .map(|error| (error.member, error.source.to_string()))
            .collect();
        // every snapshot has these
        for (member, is_read) in [
            ("cluster.json", documents.cluster.is_some()),
            ("topics.json", documents.topics.is_some()),
            ("groups.json", documents.groups.is_some()),
        ] {
            if !is_read && !members.contains_key(member) {
                damaged.push((member, "it is missing".to_owned()));
            }
        }
        for (member, problem) in damaged {
            let place = Place {
                member: Some(member.to_owned()),
                ..Place::object(object)
            };
            report.damage.push(Damage::new(place, problem));
        }
    }
}
