use super::*;

fn assigned(version: i16, more: &[u8]) -> Bytes {
    let mut bytes = Vec::new();
    bytes.extend(version.to_be_bytes());
    // one topic with the partitions 2 and 0
    bytes.extend(1_i32.to_be_bytes());
    bytes.extend(6_i16.to_be_bytes());
    bytes.extend(b"orders");
    for number in [2_i32, 2, 0] {
        bytes.extend(number.to_be_bytes());
    }
    // no data of the user's own
    bytes.extend((-1_i32).to_be_bytes());
    bytes.extend(more);
    bytes.into()
}

#[test]
fn an_assignment_is_read_whichever_version_the_leader_of_the_group_wrote() {
    let expected = BTreeMap::from([("orders".to_owned(), vec![0, 2])]);
    for version in [0, 1, 3] {
        assert_eq!(read_assignment(assigned(version, b"")).unwrap(), expected);
    }
    let later = assigned(9, b"of a later version");
    assert_eq!(read_assignment(later).unwrap(), expected);
    assert_eq!(read_assignment(Bytes::new()).unwrap(), BTreeMap::new());
}

#[test]
fn a_broken_assignment_costs_the_assignment_and_not_the_member() {
    let huge = [0, 3, 0x7f, 0xff, 0xff, 0xff];
    for broken in [&huge[..], &[0], b"not of a consumer"] {
        let bytes = Bytes::copy_from_slice(broken);
        assert!(read_assignment(bytes.clone()).is_err(), "{broken:?}");
        let member = DescribedGroupMember::default()
            .with_member_id(StrBytes::from_static_str("m"))
            .with_member_assignment(bytes);
        let read = classic_member(&member, true);
        assert_eq!((read.member_id.as_str(), read.assignment.len()), ("m", 0));
    }
}

#[test]
fn a_group_with_a_member_is_not_vacant_whatever_its_state_is_called() {
    let member = classic_member(&DescribedGroupMember::default(), false);
    assert!(GroupState::new("Empty", "", Vec::new()).is_vacant());
    assert!(GroupState::dead().is_vacant());
    assert!(!GroupState::new("Empty", "", vec![member]).is_vacant());
    assert!(!GroupState::new("Assigning", "", Vec::new()).is_vacant());
}
