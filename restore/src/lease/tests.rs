use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_787_450_400_000);
const REQUEST: Duration = Duration::from_millis(100);

fn holder(boot: Option<&str>, released: bool) -> Found {
    Found::Holder(Holder {
        host: "a".to_owned(),
        boot: boot.map(str::to_owned),
        pid: 7,
        id: "x".to_owned(),
        counter: 3,
        renewed_at: NOW,
        released,
    })
}

#[test]
fn a_lock_tells_of_this_kernel_only_and_who_holds_it_is_never_driven_out() {
    let here = Some("here");
    let cases = [
        (Lock::Others, holder(here, false), Verdict::Refuse),
        (Lock::Others, Found::Nothing, Verdict::Refuse),
        (Lock::Others, holder(Some("there"), true), Verdict::Refuse),
        (Lock::Ours, Found::Nothing, Verdict::Take),
        (Lock::Ours, holder(here, false), Verdict::Take),
        (Lock::Ours, holder(Some("there"), true), Verdict::Take),
        (Lock::Ours, holder(Some("there"), false), Verdict::Watch),
        (Lock::Ours, holder(None, false), Verdict::Watch),
        (Lock::Ours, Found::Unreadable, Verdict::Watch),
        (Lock::Unsupported, Found::Nothing, Verdict::Take),
        (Lock::Unsupported, holder(here, true), Verdict::Take),
        (Lock::Unsupported, holder(here, false), Verdict::Watch),
        (Lock::Unsupported, Found::Unreadable, Verdict::Watch),
    ];
    for (lock, found, expected) in cases {
        assert_eq!(verdict(lock, &found, here), expected, "{lock:?} {found:?}");
    }
    // where no boot is known, a lock proves nothing
    let unknown = holder(None, false);
    assert_eq!(verdict(Lock::Ours, &unknown, None), Verdict::Watch);
}

#[test]
fn a_lease_is_as_old_as_the_clock_says_that_went_on_while_the_machine_slept() {
    let instant = Instant::now();
    let at = |instant, millis| Moment {
        instant,
        wall: Timestamp::from_millis(millis),
    };
    let renewed = at(instant, 1_000);
    let second = Duration::from_secs(1);
    assert_eq!(renewed.age(at(instant + second, 2_000)), second);
    assert_eq!(renewed.age(at(instant + second, 41_000)), 40 * second);
    // somebody has set the clock back
    assert_eq!(renewed.age(at(instant + 31 * second, 0)), 31 * second);
}

fn state(stop: CancellationToken) -> State {
    State {
        renewed: Mutex::new(Moment {
            instant: Instant::now(),
            wall: NOW,
        }),
        clock: Clock::fixed(NOW),
        lost: OnceLock::new(),
        released: AtomicBool::new(false),
        stop,
    }
}

#[test]
fn who_has_not_renewed_its_lease_for_thirty_seconds_stops_and_says_why() {
    let state = state(CancellationToken::new());
    let after = |seconds: i64| Moment {
        instant: Instant::now(),
        wall: Timestamp::from_millis(NOW.as_millis() + seconds * 1_000),
    };
    assert!(state.holds(after(29)));
    assert!(!state.stop.is_cancelled());
    assert!(!state.holds(after(31)));
    assert!(state.stop.is_cancelled());
    let why = state.lost.get().unwrap().to_string();
    assert!(why.contains("not renewed for 31 s"), "{why}");
    // what was lost stays lost
    assert!(!state.holds(after(0)));
}

/// The keeper was the first to wake up now and then, renewed what was lost, and the restore went on.
#[test]
fn a_lease_that_grew_old_while_the_machine_slept_is_not_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.jsonl.lease");
    let mut state = state(CancellationToken::new());
    let later = NOW.as_millis() + 31_000;
    state.clock = Clock::fixed(Timestamp::from_millis(later));
    let holder = Holder::this_process(NOW);
    let file = open(&path).unwrap();
    write(&file, &holder).unwrap();
    let before = read(&path).unwrap();
    let mut keeper = Keeper {
        path: path.clone(),
        file,
        holder,
        state: Arc::new(state),
    };
    assert!(!keeper.keep_up());
    assert_eq!(read(&path).unwrap(), before, "it was renewed");
    assert!(keeper.state.stop.is_cancelled());
}

async fn take(journal: &Path) -> Result<Lease, LeaseError> {
    let stop = CancellationToken::new();
    Lease::take(journal, REQUEST, Clock::system(), stop).await
}

#[tokio::test]
async fn a_second_one_is_refused_at_once_and_told_who_holds_it_until_it_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("j.jsonl");
    let first = take(&journal).await.unwrap();
    assert!(first.guard().holds());
    let refused = take(&journal).await.unwrap_err().to_string();
    let us = format!("process {}", std::process::id());
    assert!(refused.contains(&us), "{refused}");
    let clock = Clock::system();
    assert!(Lease::is_free(&journal, &clock).is_err());
    let guard = first.guard();
    drop(first);
    Lease::is_free(&journal, &clock).unwrap();
    assert!(!guard.holds(), "nothing is sent when it is given back");
    drop(take(&journal).await.unwrap());
}

#[tokio::test]
async fn what_a_killed_process_under_this_kernel_has_left_is_taken_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("j.jsonl");
    let path = path_of(&journal);
    let left = Holder {
        id: "killed".to_owned(),
        ..Holder::this_process(NOW)
    };
    write(&open(&path).unwrap(), &left).unwrap();
    if left.boot.is_none() {
        return;
    }
    let lease = take(&journal).await.unwrap();
    assert!(matches!(read(&path).unwrap(), Found::Holder(now) if now.id != "killed"));
    drop(lease);
    assert!(matches!(read(&path).unwrap(), Found::Holder(now) if now.released));
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_another_machine_is_watched_and_taken_over_only_where_nobody_renews_it() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("j.jsonl");
    let path = path_of(&journal);
    let mut other = Holder {
        boot: Some("another boot".to_owned()),
        host: "pod-0".to_owned(),
        ..Holder::this_process(NOW)
    };
    let file = open(&path).unwrap();
    write(&file, &other).unwrap();
    let began = tokio::time::Instant::now();
    let renews = async {
        tokio::time::sleep(RENEW_EVERY).await;
        other.counter += 1;
        write(&file, &other).unwrap();
    };
    let (refused, ()) = tokio::join!(take(&journal), renews);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("on pod-0"), "{refused}");
    assert!(Lease::is_free(&journal, &Clock::fixed(NOW)).is_err());
    let later = Timestamp::from_millis(NOW.as_millis() + 61_000);
    Lease::is_free(&journal, &Clock::fixed(later)).unwrap();
    assert!(began.elapsed() < WATCH);

    let began = tokio::time::Instant::now();
    let lease = take(&journal).await.unwrap();
    assert!(began.elapsed() >= WATCH + REQUEST);
    assert!(lease.lost().is_none());
}

fn keeper(path: &Path, stop: &CancellationToken) -> Keeper {
    let keeper = Keeper {
        path: path.to_owned(),
        file: open(path).unwrap(),
        holder: Holder::this_process(NOW),
        state: Arc::new(state(stop.clone())),
    };
    write(&keeper.file, &keeper.holder).unwrap();
    keeper
}

#[test]
fn a_lease_in_other_hands_is_lost_and_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.lease");
    let stop = CancellationToken::new();
    let mut keeper = keeper(&path, &stop);
    keeper.renew().unwrap();
    let renewed =
        |counter| matches!(read(&path).unwrap(), Found::Holder(it) if it.counter == counter);
    assert!(renewed(1) && !stop.is_cancelled());

    let other = Holder {
        id: "other".to_owned(),
        host: "elsewhere".to_owned(),
        ..keeper.holder.clone()
    };
    write(&keeper.file, &other).unwrap();
    keeper.renew().unwrap();
    assert!(stop.is_cancelled());
    let why = keeper.state.lost.get().unwrap().to_string();
    assert!(why.contains("elsewhere"), "{why}");
    assert_eq!(read(&path).unwrap(), Found::Holder(other));
}

#[test]
fn a_lease_that_is_removed_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.lease");
    let stop = CancellationToken::new();
    let mut keeper = keeper(&path, &stop);
    std::fs::remove_file(&path).unwrap();
    keeper.renew().unwrap();
    assert!(stop.is_cancelled());
    let lost = keeper.state.lost.get();
    assert_eq!(lost, Some(&LeaseLost::Gone(path)));
}

/// Two machines whose file system locks for each of them alone both took a lease that was given back.
#[test]
fn who_takes_a_lease_that_was_somebodys_looks_again_whether_it_is_alone() {
    assert!(!settles(Lock::Ours, &Found::Nothing));
    assert!(settles(Lock::Unsupported, &Found::Nothing));
    for before in [
        holder(None, true),
        holder(Some("b"), false),
        Found::Unreadable,
    ] {
        assert!(settles(Lock::Ours, &before), "{before:?}");
    }
}
