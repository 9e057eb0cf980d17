use super::*;

fn exact(pairs: &[(&str, &str)]) -> Renames {
    with(pairs, &[], "")
}

fn with(pairs: &[(&str, &str)], patterns: &[&str], prefix: &str) -> Renames {
    let pairs = pairs
        .iter()
        .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
    let patterns = patterns.iter().map(|text| text.parse().unwrap()).collect();
    Renames::new(pairs, patterns, prefix).unwrap()
}

fn decide(renames: &Renames, names: &[&str]) -> Result<TargetNames, NameError> {
    let names = names.iter().copied().collect();
    renames.decide(Kind::Topic, &names, &names)
}

#[test]
fn an_exact_name_wins_over_patterns_the_first_pattern_over_the_next_and_the_prefix_comes_before_all()
 {
    let renames = with(
        &[("prod.orders", "orders-restored")],
        &["^prod\\.(.*)$=dr.$1", "prod.*=never"],
        "x.",
    );
    // the second pattern would be alone with nothing that it applies to: it is not the first for any
    let names = decide(&renames, &["audit", "prod.orders", "prod.payments"]).unwrap();
    assert_eq!(names.target("prod.orders"), "x.orders-restored");
    assert_eq!(names.target("prod.payments"), "x.dr.payments");
    assert_eq!(names.target("audit"), "x.audit");
}

#[test]
fn a_pattern_is_held_against_the_whole_name() {
    let names = decide(&with(&[], &["orders=o"], ""), &["orders", "orders-dlq"]).unwrap();
    assert_eq!(names.target("orders"), "o");
    assert_eq!(names.target("orders-dlq"), "orders-dlq");
    assert!(!names.is_nothing());
}

#[test]
fn a_pattern_may_hold_an_equals_sign_and_names_its_groups() {
    let pattern = r"(?P<team>[a-z=]+)-(\w+)=$team.${2}_restored";
    let names = decide(&with(&[], &[pattern], ""), &["shop-orders"]).unwrap();
    assert_eq!(names.target("shop-orders"), "shop.orders_restored");
}

#[test]
fn a_replacement_that_speaks_of_a_group_that_is_not_there_is_refused_and_not_taken_for_nothing() {
    let no = |text: &str| text.parse::<PatternRename>().unwrap_err();
    // as regular expressions have it, the name of that group is "1_restored"
    assert_eq!(
        no("(.*)=$1_restored"),
        RenameError::NoGroup("1_restored".to_owned())
    );
    assert_eq!(no("(.*)=${2}"), RenameError::NoGroup("2".to_owned()));
    assert!(no("(=x").to_string().contains("unclosed group"));
    for text in ["orders", "=x", "orders="] {
        assert_eq!(no(text), RenameError::NoPair(text.to_owned()));
    }
    assert_eq!(references("$$1.$a-${b}$"), ["a", "b"]);
}

#[test]
fn a_name_is_not_renamed_twice() {
    let pair = |to: &str| ("orders".to_owned(), to.to_owned());
    let twice = Renames::new([pair("a"), pair("b")], Vec::new(), "").unwrap_err();
    assert_eq!(twice.to_string(), "orders is renamed twice");
}

#[test]
fn a_rename_that_renames_nothing_is_an_error_that_tells_what_was_probably_meant() {
    let error = decide(&exact(&[("ordres", "x")]), &["orders", "audit"]).unwrap_err();
    assert_eq!(
        error,
        NameError::NotThere {
            kind: Kind::Topic,
            name: "ordres".to_owned(),
            meant: Some("orders".to_owned()),
        }
    );
    let error = decide(&with(&[], &["prod.*=x"], ""), &["orders"]).unwrap_err();
    assert!(
        error.to_string().contains("prod.*=x renames no topic"),
        "{error}"
    );
    let naming = Naming {
        topics: exact(&[("audit", "x")]),
        ..Naming::default()
    };
    let chosen = TopicGlobs {
        include: vec!["orders".parse().unwrap()],
        exclude: Vec::new(),
    };
    let error = naming.decide(["orders", "audit"].into_iter(), &chosen, [].into_iter());
    assert_eq!(
        error.unwrap_err().to_string(),
        "topic audit is to be renamed and is not chosen"
    );
}

#[test]
fn groups_that_are_chosen_and_are_not_there_are_an_error() {
    let naming = |glob: &str| Naming {
        group_globs: TopicGlobs {
            include: vec![glob.parse().unwrap()],
            exclude: Vec::new(),
        },
        ..Naming::default()
    };
    let decide = |glob: &str| {
        let groups = ["shop-a", "shop-b"].into_iter();
        naming(glob).decide([].into_iter(), &TopicGlobs::default(), groups)
    };
    assert!(decide("shop*").is_ok());
    assert!(matches!(
        decide("shpo*"),
        Err(NameError::NoGroups { groups: 2 })
    ));
}

#[test]
fn only_names_that_kafka_takes_are_taken() {
    let long = "x".repeat(249);
    for (target, legal) in [
        ("a", true),
        ("A.b_c-9", true),
        (long.as_str(), true),
        (".", false),
        ("..", false),
        ("a b", false),
        ("ä", false),
        ("", false),
        ("__consumer_offsets", false),
        (&format!("{long}x"), false),
    ] {
        let decided = decide(&exact(&[("orders", target)]), &["orders"]);
        assert_eq!(decided.is_ok(), legal, "{target}: {decided:?}");
    }
    let prefixed = decide(&with(&[], &[], &long), &["orders"]);
    assert!(matches!(prefixed, Err(NameError::Illegal { .. })));
    // Kafka says nothing of the names of groups
    let one = BTreeSet::from(["g"]);
    let group = exact(&[("g", "ä b")]).decide(Kind::Group, &one, &one);
    assert_eq!(group.unwrap().target("g"), "ä b");
}

#[test]
fn two_are_never_made_one() {
    let error = decide(&exact(&[("a", "b")]), &["a", "b"]).unwrap_err();
    assert_eq!(error.to_string(), "topics a and b would both be called b");
    // but they may change their names with each other
    let names = decide(&exact(&[("a", "b"), ("b", "a")]), &["a", "b"]).unwrap();
    assert_eq!((names.target("a"), names.target("b")), ("b", "a"));
}

#[test]
fn names_whose_metrics_kafka_mixes_up_are_told() {
    let names = decide(&exact(&[("a", "x.y")]), &["a", "x_y"]).unwrap();
    assert_eq!(names.warnings().len(), 1);
    assert!(names.warnings()[0].starts_with("x.y, x_y differ"));
    // the source had both, and nothing is renamed
    let names = decide(&Renames::default(), &["x.y", "x_y"]).unwrap();
    assert_eq!(names.warnings(), [] as [&str; 0]);
}
