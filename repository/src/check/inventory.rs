//! What the commits lead to, and which snapshots would miss it.
//!
//! There may be thousands of topics in each of hundreds of snapshots: names are kept once, a list that snapshots share is
//! read once, and of a list whose archives are all there nothing is kept but where it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lifeboat_archive::{lists::ArchiveReference, manifest::ManifestTopic, words::SnapshotId};

use super::Told;
use crate::store::StoredObject;

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

/// Everything that is named anywhere, beside what the store has.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// What the store has, by name.
    pub(super) stored: BTreeMap<String, StoredObject>,
    snapshots: Vec<SnapshotId>,
    objects: Vec<Wanted>,
    by_name: HashMap<String, usize>,
    /// By object and position; where in `troubled`, if it is there.
    lists: HashMap<(usize, u64), Option<usize>>,
    troubled: Vec<TroubledList>,
}

/// An object that is named.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) object: String,
    exactly: BTreeSet<u64>,
    at_least: u64,
    /// Those that name it themselves: where in `snapshots`, in order.
    snapshots: Vec<usize>,
}

/// A list that could not be read, or with archives that are not there as it wants them.
#[derive(Debug)]
struct TroubledList {
    object: usize,
    topic: String,
    archives: Vec<usize>,
    snapshots: Vec<usize>,
    /// Why it could not be read.
    unread: Option<Told>,
}

/// Whether a topic's list is known from an earlier snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It has to be read.
    No,
    /// Its archives are this snapshot's, too.
    Yes,
    /// It could not be read, and that is told already.
    Unread(Told),
}

/// Who needs an object.
#[derive(Debug, Default)]
pub(super) struct Needs {
    snapshots: BTreeSet<usize>,
    topics: BTreeSet<String>,
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
    /// Before anything is named.
    pub(super) fn of(stored: Vec<StoredObject>) -> Self {
        let by_name = |stored: StoredObject| (stored.object.clone(), stored);
        Self {
            stored: stored.into_iter().map(by_name).collect(),
            ..Self::default()
        }
    }

    /// Names an object.
    pub(super) fn name(
        &mut self,
        object: &str,
        size: Size,
        snapshot: Option<&SnapshotId>,
    ) -> usize {
        let snapshot = snapshot.map(|snapshot| self.number(snapshot));
        let at = self.intern(object);
        if let Some(wanted) = self.objects.get_mut(at) {
            match size {
                Size::Any => {}
                Size::Exactly(size) => drop(wanted.exactly.insert(size)),
                Size::AtLeast(end) => wanted.at_least = wanted.at_least.max(end),
            }
            if let Some(snapshot) = snapshot {
                push_new(&mut wanted.snapshots, snapshot);
            }
        }
        at
    }

    fn intern(&mut self, object: &str) -> usize {
        if let Some(&at) = self.by_name.get(object) {
            return at;
        }
        let at = self.objects.len();
        self.objects.push(Wanted {
            object: object.to_owned(),
            exactly: BTreeSet::new(),
            at_least: 0,
            snapshots: Vec::new(),
        });
        self.by_name.insert(object.to_owned(), at);
        at
    }

    /// The archives of a topic, as its list names them.
    pub(super) fn name_archives(
        &mut self,
        topic: &ManifestTopic,
        archives: &[ArchiveReference],
        snapshot: &SnapshotId,
    ) {
        let mut missed = Vec::new();
        for archive in archives {
            let at = self.name(&archive.object, Size::Exactly(archive.size), None);
            let stored = self.stored.get(&archive.object);
            if stored.is_none_or(|stored| stored.size != archive.size) {
                missed.push(at);
            }
        }
        self.keep_list(topic, missed, None, snapshot);
    }

    /// The list of a topic could not be read.
    pub(super) fn name_unread(
        &mut self,
        topic: &ManifestTopic,
        unread: Told,
        snapshot: &SnapshotId,
    ) {
        self.keep_list(topic, Vec::new(), Some(unread), snapshot);
    }

    fn keep_list(
        &mut self,
        topic: &ManifestTopic,
        archives: Vec<usize>,
        unread: Option<Told>,
        snapshot: &SnapshotId,
    ) {
        let snapshot = self.number(snapshot);
        let object = self.intern(&topic.list.object);
        let trouble = (!archives.is_empty() || unread.is_some()).then(|| {
            self.troubled.push(TroubledList {
                object,
                topic: topic.topic.clone(),
                archives,
                snapshots: vec![snapshot],
                unread,
            });
            self.troubled.len() - 1
        });
        self.lists.insert((object, topic.list.position), trouble);
    }

    /// Whether the topic's list is known from an earlier snapshot; then its archives are this one's, too.
    pub(super) fn share_list(&mut self, topic: &ManifestTopic, snapshot: &SnapshotId) -> Known {
        let object = self.by_name.get(&topic.list.object);
        let known = object.and_then(|&object| self.lists.get(&(object, topic.list.position)));
        let trouble = match known {
            None => return Known::No,
            Some(None) => return Known::Yes,
            Some(&Some(trouble)) => trouble,
        };
        let snapshot = self.number(snapshot);
        let Some(list) = self.troubled.get_mut(trouble) else {
            return Known::No;
        };
        push_new(&mut list.snapshots, snapshot);
        list.unread.map_or(Known::Yes, Known::Unread)
    }

    fn number(&mut self, snapshot: &SnapshotId) -> usize {
        // one after the other
        if self.snapshots.last() != Some(snapshot) {
            self.snapshots.push(snapshot.clone());
        }
        self.snapshots.len() - 1
    }

    /// Whether it is named.
    pub(super) fn has(&self, object: &str) -> bool {
        self.by_name.contains_key(object)
    }

    /// All objects that are named, each by its number.
    pub(super) fn objects(&self) -> impl Iterator<Item = (usize, &Wanted)> {
        self.objects.iter().enumerate()
    }

    /// Who needs the objects that are in trouble, in one pass.
    pub(super) fn needs(&self) -> HashMap<usize, Needs> {
        let mut all: HashMap<usize, Needs> = HashMap::new();
        for list in &self.troubled {
            for &object in list.archives.iter().chain([&list.object]) {
                let needs = all.entry(object).or_default();
                needs.snapshots.extend(&list.snapshots);
                needs.topics.insert(list.topic.clone());
            }
        }
        all
    }

    /// The snapshots, the oldest first, and the topics that need an object.
    pub(super) fn needed_by(
        &self,
        wanted: &Wanted,
        needs: Option<&Needs>,
    ) -> (Vec<SnapshotId>, Vec<String>) {
        let mut numbers: BTreeSet<_> = wanted.snapshots.iter().copied().collect();
        numbers.extend(needs.iter().flat_map(|needs| &needs.snapshots));
        let numbers = numbers.into_iter();
        let snapshots = numbers.filter_map(|number| self.snapshots.get(number).cloned());
        let topics = needs.iter().flat_map(|needs| &needs.topics).cloned();
        (snapshots.collect(), topics.collect())
    }
}

/// One snapshot after the other: the last one is enough to know.
fn push_new(numbers: &mut Vec<usize>, number: usize) {
    if numbers.last() != Some(&number) {
        numbers.push(number);
    }
}
