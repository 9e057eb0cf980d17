//! What the commits lead to, and which snapshots would miss it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lifeboat_archive::{lists::ArchiveReference, manifest::ManifestTopic, words::SnapshotId};

use super::Told;

/// What is known of an object's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// Nothing.
    Any,
    /// So many bytes.
    Exactly(u64),
    /// A part of it ends there.
    AtLeast(u64),
}

/// Everything that is named anywhere.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    snapshots: Vec<SnapshotId>,
    objects: Vec<Wanted>,
    by_name: BTreeMap<String, usize>,
    /// By object and position: what incremental snapshots share is kept once.
    lists: HashMap<(usize, u64), SharedList>,
}

/// An object that is named.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    exactly: BTreeSet<u64>,
    at_least: u64,
    /// Where in `snapshots`, in order.
    snapshots: Vec<usize>,
}

#[derive(Debug)]
struct SharedList {
    topic: String,
    archives: Vec<usize>,
    /// Why it could not be read.
    unread: Option<Told>,
}

/// Whether a topic's list is known from an earlier snapshot.
#[derive(Debug)]
pub(super) enum Known {
    /// It has to be read.
    No,
    /// Its archives are this snapshot's, too.
    Yes,
    /// It could not be read, and that is told already.
    Unread(Told),
}

impl Wanted {
    /// What is wrong with an object that has so many bytes.
    pub(super) fn wrong_size(&self, size: u64) -> Option<String> {
        if self.exactly.iter().any(|&wanted| wanted != size) {
            let wanted: Vec<_> = self.exactly.iter().map(u64::to_string).collect();
            let wanted = wanted.join(" and of ");
            return Some(format!("it has {size} bytes instead of {wanted}"));
        }
        let end = self.at_least;
        (size < end).then(|| format!("it has {size} bytes, and a list in it ends at byte {end}"))
    }
}

impl Inventory {
    /// Names an object.
    pub(super) fn name(
        &mut self,
        object: &str,
        size: Size,
        snapshot: Option<&SnapshotId>,
    ) -> usize {
        let known = self.by_name.get(object).copied();
        let at = known.unwrap_or_else(|| {
            self.objects.push(Wanted::default());
            let at = self.objects.len() - 1;
            self.by_name.insert(object.to_owned(), at);
            at
        });
        let snapshot = snapshot.map(|snapshot| self.number(snapshot));
        if let Some(wanted) = self.objects.get_mut(at) {
            match size {
                Size::Any => {}
                Size::Exactly(size) => drop(wanted.exactly.insert(size)),
                Size::AtLeast(end) => wanted.at_least = wanted.at_least.max(end),
            }
            // one snapshot after the other: the last one is enough to know
            if snapshot.is_some() && wanted.snapshots.last() != snapshot.as_ref() {
                wanted.snapshots.extend(snapshot);
            }
        }
        at
    }

    /// The archives of a topic, as its list names them.
    pub(super) fn name_archives(
        &mut self,
        topic: &ManifestTopic,
        archives: &[ArchiveReference],
        snapshot: &SnapshotId,
    ) {
        let archives = archives
            .iter()
            .map(|archive| self.name(&archive.object, Size::Exactly(archive.size), Some(snapshot)));
        let archives = archives.collect();
        self.keep_list(topic, archives, None);
    }

    /// The list of a topic could not be read.
    pub(super) fn name_unread(&mut self, topic: &ManifestTopic, unread: Told) {
        self.keep_list(topic, Vec::new(), Some(unread));
    }

    fn keep_list(&mut self, topic: &ManifestTopic, archives: Vec<usize>, unread: Option<Told>) {
        if let Some(&object) = self.by_name.get(&topic.list.object) {
            let list = SharedList {
                topic: topic.topic.clone(),
                archives,
                unread,
            };
            self.lists.insert((object, topic.list.position), list);
        }
    }

    /// Whether the topic's list is known from an earlier snapshot; then its archives are this one's, too.
    pub(super) fn share_list(&mut self, topic: &ManifestTopic, snapshot: &SnapshotId) -> Known {
        let number = self.number(snapshot);
        let object = self.by_name.get(&topic.list.object);
        let list = object.and_then(|&object| self.lists.get(&(object, topic.list.position)));
        let Some(list) = list else {
            return Known::No;
        };
        if let Some(told) = &list.unread {
            return Known::Unread(told.clone());
        }
        for &archive in &list.archives {
            if let Some(wanted) = self.objects.get_mut(archive)
                && wanted.snapshots.last() != Some(&number)
            {
                wanted.snapshots.push(number);
            }
        }
        Known::Yes
    }

    fn number(&mut self, snapshot: &SnapshotId) -> usize {
        // one after the other
        if self.snapshots.last() != Some(snapshot) {
            self.snapshots.push(snapshot.clone());
        }
        self.snapshots.len() - 1
    }

    /// All names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Whether it is named.
    pub(super) fn has(&self, object: &str) -> bool {
        self.by_name.contains_key(object)
    }

    /// All objects that are named, by name.
    pub(super) fn objects(&self) -> impl Iterator<Item = (&str, &Wanted)> {
        let named = self.by_name.iter();
        named.filter_map(|(name, &at)| Some((name.as_str(), self.objects.get(at)?)))
    }

    /// The snapshots that need an object.
    pub(super) fn snapshots_of(&self, wanted: &Wanted) -> Vec<SnapshotId> {
        let numbers = wanted.snapshots.iter();
        numbers
            .filter_map(|&number| self.snapshots.get(number).cloned())
            .collect()
    }

    /// The topics that have something in an archive.
    pub(super) fn topics_of(&self, object: &str) -> BTreeSet<String> {
        let Some(at) = self.by_name.get(object) else {
            return BTreeSet::new();
        };
        let lists = self.lists.iter();
        let of = lists.filter(|((list, _), shared)| list == at || shared.archives.contains(at));
        of.map(|(_, shared)| shared.topic.clone()).collect()
    }
}
