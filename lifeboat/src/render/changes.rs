//! Changes on lines of their own: `+`, `−` and `~`, coloured on a terminal.

use lifeboat_archive::documents::diff::{Change, Sign};

use super::{Paint, Table, plural, safe};

/// Of more partitions of a group, only the first are shown.
const MOST_PARTITIONS: usize = 4;

/// One line for each change, but for the offsets of a group, which share one.
pub(crate) fn change_lines<'c>(
    changes: impl IntoIterator<Item = &'c Change>,
    paint: Paint,
) -> Vec<String> {
    let mut signs = Vec::new();
    let mut table = Table::bare(3);
    for (sign, kind, name, what) in rows(changes) {
        signs.push(sign);
        table.row([kind.to_owned(), safe(&name), safe(&what)]);
    }
    let table = table.render();
    let lines = table.lines().zip(signs);
    lines
        .map(|(line, sign)| format!("  {} {line}\n", painted(sign, paint)))
        .collect()
}

fn painted(sign: Sign, paint: Paint) -> String {
    let text = sign.to_string();
    match sign {
        Sign::Added => paint.good(&text),
        Sign::Removed => paint.bad(&text),
        Sign::Changed => paint.doubtful(&text),
    }
}

type Row = (Sign, &'static str, String, String);

fn rows<'c>(changes: impl IntoIterator<Item = &'c Change>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut moved: Option<(String, Vec<String>)> = None;
    for change in changes {
        let (kind, name) = change.subject();
        if let Change::Offset { .. } = change {
            match &mut moved {
                Some((group, partitions)) if *group == name => partitions.push(change.what()),
                _ => {
                    rows.extend(moved.take().map(moved_row));
                    moved = Some((name, vec![change.what()]));
                }
            }
            continue;
        }
        rows.extend(moved.take().map(moved_row));
        rows.push((change.sign(), kind, name, change.what()));
    }
    rows.extend(moved.map(moved_row));
    rows
}

fn moved_row((group, partitions): (String, Vec<String>)) -> Row {
    let count = plural(partitions.len() as u64, "offset");
    let shown = partitions.iter().take(MOST_PARTITIONS).cloned();
    let mut shown = shown.collect::<Vec<_>>().join(", ");
    if partitions.len() > MOST_PARTITIONS {
        shown.push_str(", …");
    }
    (
        Sign::Changed,
        "group",
        group,
        format!("{count} moved: {shown}"),
    )
}
