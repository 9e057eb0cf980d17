//! Where offsets go.

use lifeboat_restore::translate::Translated;

use super::{Table, safe};

/// For people: a line for each offset.
pub(crate) fn render(translated: &Translated) -> String {
    let mut table = Table::new(&[
        "GROUP",
        "TOPIC",
        ">PARTITION",
        ">SOURCE",
        ">TARGET",
        "GOES TO",
    ]);
    for offset in &translated.offsets {
        table.row([
            offset.group.as_deref().map_or_else(|| "–".to_owned(), safe),
            offset.topic.clone(),
            offset.partition.to_string(),
            offset.source_offset.to_string(),
            offset.target_offset.to_string(),
            offset.translation.to_string(),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use lifeboat_restore::{
        offsets::{Skipped, Translation},
        translate::TranslatedOffset,
    };

    use super::*;

    #[test]
    fn each_offset_is_told_with_where_it_goes_and_why() {
        let offset =
            |group: Option<&str>, source_offset, target_offset, translation| TranslatedOffset {
                group: group.map(str::to_owned),
                topic: "orders".to_owned(),
                partition: 3,
                source_offset,
                target_offset,
                translation,
            };
        let translated = Translated {
            snapshot: "20260823T020000Z-k3fa".parse().unwrap(),
            offsets: vec![
                offset(None, 12, 10, Translation::SameRecord),
                offset(None, 13, 11, Translation::NextRecord(Skipped::Marker)),
                offset(Some("billing"), 900, 850, Translation::End),
            ],
        };
        insta::assert_snapshot!(render(&translated));
    }
}
