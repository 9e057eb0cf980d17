//! What a restore changes in the target besides topics, records, offsets and users: settings, quotas, rights.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_archive::{
    documents::{
        AclsDocument, ConfigsDocument, Documents, PermissionType, QuotasDocument, Settings,
        TopicDocument, TopicsDocument,
        diff::{Change, ConfigResource, Edit, Kind, SettingValue, Sign, diff},
    },
    words::TopicGlobs,
};
use serde::{Deserialize, Serialize};

use super::PlanError;
use crate::{
    names::TargetNames,
    parts::{Part, Parts},
    settings::{MIN_INSYNC_REPLICAS, NEVER_RESTORED, capped_min_insync_replicas},
};

/// The kinds that are restored as changes, with the part that each is.
const KINDS: [(Kind, Part); 3] = [
    (Kind::Configs, Part::Configs),
    (Kind::Quotas, Part::Quotas),
    (Kind::Acls, Part::Acls),
];

/// What is changed in the target besides topics, records and offsets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterChanges {
    /// What is added and changed, in this order.
    pub made: Vec<Change>,
    /// What the target has besides and loses (`--prune-extra`), in this order, when all else is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pruned: Vec<Change>,
    /// What the target has besides and keeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Change>,
    /// What the target does not get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Unrestored>,
}

impl ClusterChanges {
    /// Whether the target stays as it is.
    pub fn is_nothing(&self) -> bool {
        self.made.is_empty() && self.pruned.is_empty()
    }
}

/// Something that the target does not get.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unrestored {
    /// What it would have been.
    pub change: Change,
    /// Why not.
    pub reason: String,
    /// Whether something that was asked for is missing (exit code 3).
    pub partial: bool,
}

/// The target, as far as it is to be changed.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What could be read of it.
    pub documents: Documents,
    /// What could not be read of it, and why.
    pub unread: Vec<(Kind, String)>,
    /// Its brokers.
    pub brokers: BTreeSet<i32>,
    /// The topics that it has, of those that topics of the snapshot are called there.
    pub topics: BTreeMap<String, FoundTopic>,
}

/// A topic of the target whose settings are to be changed.
#[derive(Clone, Debug)]
pub struct FoundTopic {
    /// How many replicas it has.
    pub replication_factor: i16,
    /// Its settings, or why they could not be read.
    pub settings: Result<Settings, String>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Which parts.
    pub parts: &'a Parts,
    /// Which topics.
    pub topics: &'a TopicGlobs,
    /// What they are called in the target.
    pub names: &'a TargetNames,
    /// What the snapshot's brokers are called in the target, where it is another name.
    pub broker_map: &'a BTreeMap<i32, i32>,
    /// Whether what the snapshot does not have is removed.
    pub prune: bool,
    /// Who restores.
    pub principal: &'a str,
}

/// Which kinds have to be looked at in the target: those that something is to be done with.
pub(crate) fn kinds_to_look_at(snapshot: &Documents, parts: &Parts, prune: bool) -> Vec<Kind> {
    let something =
        |kind: &Kind| kind.is_known(snapshot) && (prune || !all_of(snapshot, *kind).is_empty());
    wanted(parts).filter(something).collect()
}

fn wanted(parts: &Parts) -> impl Iterator<Item = Kind> {
    let wanted = KINDS.into_iter().filter(|(_, part)| parts.has(*part));
    wanted.map(|(kind, _)| kind)
}

/// What of the wanted kinds the snapshot does not hold.
pub(crate) fn not_held(snapshot: &Documents, parts: &Parts) -> Vec<Kind> {
    // users are planned apart
    let users = parts.has(Part::Users).then_some(Kind::Users);
    let wanted = wanted(parts).chain(users);
    wanted.filter(|kind| !kind.is_known(snapshot)).collect()
}

/// Everything of a kind, as a cluster would get it that has nothing of it.
fn all_of(documents: &Documents, kind: Kind) -> Vec<Change> {
    let brokers = documents.configs.iter().flat_map(|it| it.brokers.keys());
    let nothing = Documents {
        configs: Some(ConfigsDocument {
            cluster: Some(Settings::new()),
            brokers: brokers.map(|id| (*id, Some(Settings::new()))).collect(),
            groups: Some(BTreeMap::new()),
            client_metrics: Some(BTreeMap::new()),
        }),
        quotas: Some(QuotasDocument::default()),
        // without an authorizer there are none to be made
        acls: documents.acls.as_ref().map(|acls| AclsDocument {
            authorizer: acls.authorizer,
            acls: Vec::new(),
        }),
        ..Documents::default()
    };
    let mut all = diff(&nothing, documents);
    all.retain(|change| change.kind() == kind);
    all
}

/// Decides what is changed.
pub fn decide(
    snapshot: &Documents,
    found: &Found,
    wish: &Wish<'_>,
) -> Result<ClusterChanges, PlanError> {
    let mut changes = ClusterChanges::default();
    let mut wanted = wanted_documents(snapshot, wish.parts);
    if let Some(configs) = &mut wanted.configs {
        rename_brokers(configs, found, wish.broker_map, &mut changes.left_out)?;
    }
    for (kind, reason) in unknown(&wanted, found) {
        let all = all_of(&wanted, kind).into_iter();
        let there = all.filter(|change| !is_known(change, &found.documents));
        changes
            .left_out
            .extend(there.map(|change| missing(change, &reason)));
    }
    let (before, after) = topics(snapshot, found, wish, &mut changes.left_out);
    let target = Documents {
        cluster: None,
        topics: Some(before),
        ..found.documents.clone()
    };
    wanted.topics = Some(after);
    for change in diff(&target, &wanted) {
        sort_in(change, found, wish, &mut changes);
    }
    let principal = wish.principal;
    changes.made.sort_by_key(|change| turn(change, principal));
    changes.pruned.sort_by_key(|change| turn(change, principal));
    Ok(changes)
}

fn wanted_documents(snapshot: &Documents, parts: &Parts) -> Documents {
    let mut wanted = Documents::default();
    if parts.has(Part::Configs) {
        wanted.configs.clone_from(&snapshot.configs);
    }
    if parts.has(Part::Quotas) {
        wanted.quotas.clone_from(&snapshot.quotas);
    }
    if parts.has(Part::Acls) {
        wanted.acls.clone_from(&snapshot.acls);
    }
    wanted
}

/// Calls the brokers as the target does; those that it does not have are left out.
fn rename_brokers(
    configs: &mut ConfigsDocument,
    found: &Found,
    map: &BTreeMap<i32, i32>,
    left_out: &mut Vec<Unrestored>,
) -> Result<(), PlanError> {
    let mut renamed = BTreeMap::new();
    for (id, settings) in std::mem::take(&mut configs.brokers) {
        let broker = map.get(&id).copied().unwrap_or(id);
        if found.brokers.contains(&broker) {
            if renamed.insert(broker, settings).is_some() {
                return Err(PlanError::BrokersMerged { broker });
            }
            continue;
        }
        let reason = format!("the target has no broker {broker}: map it with --broker-map {id}=…");
        for (name, value) in settings.into_iter().flatten() {
            let resource = ConfigResource::Broker { broker: id };
            left_out.push(missing(added_setting(resource, name, value), &reason));
        }
    }
    configs.brokers = renamed;
    Ok(())
}

/// The kinds of which something is wanted that is not known of the target, each with the reason.
fn unknown(wanted: &Documents, found: &Found) -> Vec<(Kind, String)> {
    let mut unknown = Vec::new();
    for (kind, _) in KINDS {
        if !kind.is_known(wanted) {
            continue;
        }
        let unread = found.unread.iter().filter(|(of, _)| *of == kind);
        let reasons: Vec<&str> = unread.map(|(_, reason)| reason.as_str()).collect();
        let reason = if reasons.is_empty() {
            "the target does not tell what it has of that".to_owned()
        } else {
            format!("what the target has is not known: {}", reasons.join("; "))
        };
        unknown.push((kind, reason));
    }
    unknown
}

/// Whether it is known what the target has in the place of this change.
fn is_known(change: &Change, target: &Documents) -> bool {
    let Change::Config { resource, .. } = change else {
        return change.kind().is_known(target);
    };
    let Some(configs) = &target.configs else {
        return false;
    };
    // what is not named there has no settings
    let named = |all: &Option<BTreeMap<String, Option<Settings>>>, name: &String| {
        all.as_ref()
            .is_some_and(|all| !matches!(all.get(name), Some(None)))
    };
    match resource {
        ConfigResource::Topic { .. } => true,
        ConfigResource::Cluster => configs.cluster.is_some(),
        ConfigResource::Broker { broker } => matches!(configs.brokers.get(broker), Some(Some(_))),
        ConfigResource::Group { group } => named(&configs.groups, group),
        ConfigResource::ClientMetrics { subscription } => {
            named(&configs.client_metrics, subscription)
        }
    }
}

/// The topics that the target has, alike but for their settings: those of the target, and those of the snapshot.
///
/// With the data, the settings of topics are restored by the topics' own plan: see [`crate::settings`].
fn topics(
    snapshot: &Documents,
    found: &Found,
    wish: &Wish<'_>,
    left_out: &mut Vec<Unrestored>,
) -> (TopicsDocument, TopicsDocument) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let own = wish.parts.has(Part::Configs) && !wish.parts.has(Part::Data);
    let chosen = snapshot.topics.iter().flat_map(|document| &document.topics);
    for topic in chosen.filter(|topic| own && wish.topics.choose(&topic.topic)) {
        // what the snapshot does not know is left alone
        let name = wish.names.target(&topic.topic);
        let (Some(there), Some(wanted)) = (found.topics.get(name), &topic.configs) else {
            continue;
        };
        let mut wanted = restorable(wanted);
        let resource = || ConfigResource::Topic {
            topic: name.to_owned(),
        };
        let settings =
            match &there.settings {
                Ok(settings) => restorable(settings),
                Err(reason) => {
                    let all = wanted.into_iter();
                    left_out.extend(all.map(|(name, value)| {
                        missing(added_setting(resource(), name, value), reason)
                    }));
                    continue;
                }
            };
        if let Some(Some(value)) = wanted.get_mut(MIN_INSYNC_REPLICAS)
            && let Some(capped) = capped_min_insync_replicas(value, there.replication_factor)
        {
            let setting = MIN_INSYNC_REPLICAS.to_owned();
            left_out.push(Unrestored {
                change: added_setting(resource(), setting, Some(value.clone())),
                reason: format!("it becomes {capped}: the topic has no more replicas"),
                partial: false,
            });
            *value = capped;
        }
        let with = |settings: Settings| TopicDocument {
            topic: name.to_owned(),
            configs: Some(settings),
            ..topic.clone()
        };
        before.push(with(settings));
        after.push(with(wanted));
    }
    (
        TopicsDocument { topics: before },
        TopicsDocument { topics: after },
    )
}

fn restorable(settings: &Settings) -> Settings {
    let settings = settings.iter();
    settings
        .filter(|(name, _)| !NEVER_RESTORED.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn added_setting(resource: ConfigResource, name: String, value: Option<String>) -> Change {
    Change::Config {
        resource,
        name,
        edit: Edit::Added { to: value.into() },
    }
}

fn missing(change: Change, reason: &str) -> Unrestored {
    Unrestored {
        change,
        reason: reason.to_owned(),
        partial: true,
    }
}

/// Puts a difference where it belongs.
fn sort_in(change: Change, found: &Found, wish: &Wish<'_>, changes: &mut ClusterChanges) {
    if let Change::Authorizer { .. } = change {
        // nothing that could be changed from here: what it means for the ACLs is said of each
        return;
    }
    if change.sign() == Sign::Removed {
        if may_be_pruned(&change) {
            if wish.prune && !is_own_right(&change, wish.principal) {
                changes.pruned.push(change);
            } else {
                changes.kept.push(change);
            }
        }
        return;
    }
    match why_not(&change, found) {
        Some(reason) => changes.left_out.push(missing(change, reason)),
        None => changes.made.push(change),
    }
}

/// Why the target can't get it.
fn why_not(change: &Change, found: &Found) -> Option<&'static str> {
    match change {
        Change::Config { edit, .. } if edit.to() == Some(&SettingValue::Untold) => {
            Some("sensitive: the source did not tell its value")
        }
        Change::Config { .. } if is_of_the_machine(change) => {
            Some("it belongs to the source's machines: listeners, certificates, folders")
        }
        Change::Acl { .. } => {
            let authorizer = found
                .documents
                .acls
                .as_ref()
                .is_some_and(|it| it.authorizer);
            (!authorizer).then_some("the target has no authorizer")
        }
        _ => None,
    }
}

/// Settings of brokers that name ports, files and certificates of one machine.
fn is_of_the_machine(change: &Change) -> bool {
    let Change::Config {
        resource: ConfigResource::Broker { .. } | ConfigResource::Cluster,
        name,
        ..
    } = change
    else {
        return false;
    };
    let begins = ["listener.", "listeners", "advertised.", "ssl.", "log.dir"];
    begins.iter().any(|begin| name.starts_with(begin))
}

/// What may be taken away at all: nothing that holds data or could not be given back, and nothing that a broker needs to
/// be reached.
fn may_be_pruned(change: &Change) -> bool {
    match change {
        // Kafka itself puts it there where it keeps eligible leader replicas (KIP-966), and does not let go of it
        Change::Config {
            resource: ConfigResource::Cluster,
            name,
            ..
        } if name == "min.insync.replicas" => false,
        Change::Config { edit, .. } => {
            *edit.either() != SettingValue::Untold && !is_of_the_machine(change)
        }
        Change::Acl { .. } | Change::Quota { .. } => true,
        _ => false,
    }
}

/// Whoever restores keeps its rights: without them it could not end what it began, nor do it again.
fn is_own_right(change: &Change, principal: &str) -> bool {
    match change {
        Change::Acl { edit } => {
            let acl = edit.either();
            acl.permission == PermissionType::ALLOW && acl.principal == principal
        }
        _ => false,
    }
}

/// When a change has its turn.
///
/// Settings and quotas first, as they need rights that ACLs could take. Of the ACLs, what allows before what denies: a
/// right that is there in between is one that the source has given, too. Own rights before those of others: with
/// `allow.everyone.if.no.acl.found` the first ACL of a resource shuts everybody else out. What denies something to
/// whoever restores comes last of all: from there on it may be unable to go on.
fn turn(change: &Change, principal: &str) -> u8 {
    match change {
        Change::Config { .. } => 0,
        Change::Quota { .. } => 1,
        Change::Acl { edit } => {
            let acl = edit.either();
            let own = acl.principal == principal;
            let everybody = acl.principal == "User:*";
            match acl.permission == PermissionType::DENY {
                false if own => 2,
                false => 3,
                true if own || everybody => 5,
                true => 4,
            }
        }
        _ => 6,
    }
}

#[cfg(test)]
mod tests;
