//! The numbers that commits get in the target.
//!
//! A higher number is a newer snapshot: `latest` rests on it, and so does whoever reads the repository by hand. The next
//! free number would break that where a snapshot comes late, because an object of it was damaged and is mended now, or
//! because it was asked for after newer ones. So numbers keep the distances that they have in the source, as far as the
//! target has room, and what comes late finds its place free. Commits are still created, never overwritten.

use std::collections::{BTreeMap, BTreeSet};

use super::choice::Standing;

/// The numbers of the snapshots that are wanted, by their numbers in the source; none where no number is free between
/// those of the snapshots before and behind.
pub(super) fn assign(standings: &[Standing], taken: &BTreeSet<u64>) -> BTreeMap<u64, Option<u64>> {
    let mut taken = taken.clone();
    let mut assigned = BTreeMap::new();
    // what stands behind, seen from the newest
    let mut behind = Vec::with_capacity(standings.len());
    let mut nearest: Option<(u64, u64)> = None;
    for standing in standings.iter().rev() {
        behind.push(nearest);
        if let Some(there) = standing.target
            && nearest.is_none_or(|(_, least)| there < least)
        {
            nearest = Some((standing.source, there));
        }
    }
    let mut before: Option<(u64, u64)> = None;
    for (standing, behind) in standings.iter().zip(behind.into_iter().rev()) {
        let number = if standing.wanted && standing.target.is_none() {
            let number = between(standing.source, before, behind, &taken);
            taken.extend(number);
            assigned.insert(standing.source, number);
            number
        } else {
            standing.target
        };
        if let Some(number) = number
            && before.is_none_or(|(_, most)| number > most)
        {
            before = Some((standing.source, number));
        }
    }
    assigned
}

/// A number for the snapshot with the number `source` between its neighbours, each with its numbers in source and target.
fn between(
    source: u64,
    before: Option<(u64, u64)>,
    behind: Option<(u64, u64)>,
    taken: &BTreeSet<u64>,
) -> Option<u64> {
    let like_before = before.map(|(theirs, there)| there.saturating_add(source - theirs));
    let least = before.map_or(0, |(_, there)| there);
    let Some((theirs, most)) = behind else {
        // the newest: behind all that is there, of whatever origin
        let last = taken.last().copied().unwrap_or(0).max(least);
        let alike = like_before.or(Some(source));
        return alike
            .filter(|&number| number > last)
            .or_else(|| last.checked_add(1));
    };
    let fits = |number: &u64| least < *number && *number < most && !taken.contains(number);
    let alike = [like_before, most.checked_sub(theirs - source), Some(source)];
    let mut alike = alike.into_iter().flatten();
    alike
        .find(fits)
        .or_else(|| (least.saturating_add(1)..most).rev().find(fits))
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::{btree_set, vec},
        prelude::{any, prop_assert, proptest},
    };

    use super::*;

    fn standing(source: u64, target: Option<u64>, wanted: bool) -> Standing {
        Standing {
            source,
            target,
            wanted,
        }
    }

    #[test]
    fn a_copy_of_everything_keeps_every_number_with_its_holes() {
        let standings = [1, 2, 5, 9].map(|source| standing(source, None, true));
        let numbers = assign(&standings, &BTreeSet::new());
        assert!(
            numbers
                .iter()
                .all(|(source, number)| Some(*source) == *number)
        );
        assert_eq!(numbers.len(), 4);
    }

    #[test]
    fn what_comes_late_finds_its_place_free() {
        let standings = [
            standing(1, None, true),
            standing(2, None, false),
            standing(3, None, true),
        ];
        assert_eq!(assign(&standings, &BTreeSet::new())[&3], Some(3));
        let standings = [
            standing(1, Some(1), false),
            standing(2, None, true),
            standing(3, Some(3), false),
        ];
        assert_eq!(assign(&standings, &[1, 3].into())[&2], Some(2));
    }

    #[test]
    fn commits_of_others_are_stood_behind_and_what_comes_late_has_room_there_too() {
        let taken = BTreeSet::from([1, 2, 3, 4]);
        let standings = [
            standing(1, None, true),
            standing(2, None, false),
            standing(3, None, true),
        ];
        let numbers = assign(&standings, &taken);
        assert_eq!(numbers, [(1, Some(5)), (3, Some(7))].into());
        let standings = [
            standing(1, Some(5), false),
            standing(2, None, true),
            standing(3, Some(7), false),
        ];
        let numbers = assign(&standings, &[1, 2, 3, 4, 5, 7].into());
        assert_eq!(numbers[&2], Some(6));
    }

    #[test]
    fn where_no_number_is_free_between_the_neighbours_there_is_none() {
        let standings = [
            standing(1, Some(1), false),
            standing(2, None, true),
            standing(3, Some(2), false),
        ];
        assert_eq!(assign(&standings, &[1, 2].into())[&2], None);
    }

    #[test]
    fn a_damaged_commit_that_holds_the_number_is_not_overwritten() {
        let standings = [standing(1, Some(1), false), standing(2, None, true)];
        assert_eq!(assign(&standings, &[1, 2].into())[&2], Some(3));
    }

    proptest! {
        #[test]
        fn in_whatever_order_snapshots_come_their_numbers_are_in_the_order_of_the_source(
            distances in vec(1u64..4, 1..12),
            others in btree_set(1u64..40, 0..5),
            // of each snapshot whether it is wanted, and whether it is committed then
            rounds in vec((vec((any::<bool>(), any::<bool>()), 12), any::<bool>()), 1..20),
        ) {
            let mut source = 0;
            let mut all: Vec<_> = distances
                .iter()
                .map(|distance| {
                    source += distance;
                    standing(source, None, false)
                })
                .collect();
            let mut taken = others;
            for (chosen, somebody_else_commits) in rounds {
                for (one, (wanted, _)) in all.iter_mut().zip(&chosen) {
                    one.wanted = *wanted && one.target.is_none();
                }
                let numbers = assign(&all, &taken);
                for (one, (_, committed)) in all.iter_mut().zip(&chosen) {
                    if let Some(Some(number)) = numbers.get(&one.source)
                        && *committed
                    {
                        one.target = Some(*number);
                        prop_assert!(taken.insert(*number), "{number} was used twice");
                    }
                }
                let numbers: Vec<_> = all.iter().filter_map(|one| one.target).collect();
                prop_assert!(numbers.is_sorted(), "{all:?}");
                if somebody_else_commits {
                    taken.insert(taken.last().unwrap_or(&0) + 1);
                }
            }
        }
    }
}
