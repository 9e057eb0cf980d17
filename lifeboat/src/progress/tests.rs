use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Readings of a run that streams 100 MB of 1 GB a second in units of its own.
fn streaming(seconds: u32) -> Reading {
    let progress = Progress::default();
    let mut meter = Meter::default();
    let begun = Instant::now();
    progress.begin("streaming", 1_000);
    let mut reading = meter.read(&progress, begun);
    for second in 1..=seconds {
        progress.advance(100);
        progress.add_bytes(100_000_000);
        reading = meter.read(&progress, begun + SECOND * second);
    }
    reading
}

#[test]
fn a_line_tells_phase_share_bytes_rate_and_the_rest() {
    insta::assert_snapshot!(streaming(4).line(), @"streaming: 40 %, 400 MB, 100 MB/s, 6 s left");
}

#[test]
fn the_rest_is_not_guessed_in_the_first_seconds() {
    insta::assert_snapshot!(streaming(1).line(), @"streaming: 10 %, 100 MB, 100 MB/s");
}

#[test]
fn a_phase_of_unknown_length_tells_how_long_it_lasts() {
    let progress = Progress::default();
    let mut meter = Meter::default();
    let begun = Instant::now();
    progress.begin("planning", 0);
    meter.read(&progress, begun);
    let reading = meter.read(&progress, begun + SECOND * 31);
    assert_eq!(reading.percent(), None);
    insta::assert_snapshot!(reading.line(), @"planning: since 31 s");
}

#[test]
fn a_phase_that_ended_is_told_with_its_average() {
    let progress = Progress::default();
    let mut meter = Meter::default();
    let begun = Instant::now();
    assert_eq!(meter.read(&progress, begun).ended, None);
    progress.begin("streaming", 10);
    assert_eq!(meter.read(&progress, begun).ended, None);
    progress.add_bytes(52_000_000_000);
    meter.read(&progress, begun + SECOND * 60);
    progress.begin("committing", 0);
    let ended = meter.read(&progress, begun + SECOND * 114).ended.unwrap();
    insta::assert_snapshot!(ended.line(), @"streaming: done in 1 m 54 s, 52.0 GB, 456 MB/s");
    assert_eq!(meter.read(&progress, begun + SECOND * 115).ended, None);
}

#[test]
fn it_is_not_all_done_before_it_is() {
    let reading = |done, total| Reading {
        view: ProgressView {
            done,
            total,
            ..ProgressView::default()
        },
        ..Reading::default()
    };
    assert_eq!(reading(9_999, 10_000).percent(), Some(99));
    assert_eq!(reading(10_000, 10_000).percent(), Some(100));
    assert_eq!(reading(10_001, 10_000).percent(), Some(100));
    assert_eq!(reading(0, 0).percent(), None);
}
