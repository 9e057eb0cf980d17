use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::*;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::wire::versions::Call;

/// Makes answers up from their shape.
struct Maker {
    encoding: Encoding,
    random: StdRng,
    out: BytesMut,
    /// Counts are written until this is 0; then a huge one.
    counts_before_the_lie: usize,
}

impl Maker {
    fn make(encoding: Encoding, seed: u64, counts_before_the_lie: usize, shape: &[Field]) -> Self {
        let mut maker = Self {
            encoding,
            random: StdRng::seed_from_u64(seed),
            out: BytesMut::new(),
            counts_before_the_lie,
        };
        maker.fields(shape);
        maker
    }

    fn lied(&self) -> bool {
        self.counts_before_the_lie == 0
    }

    fn fields(&mut self, fields: &[Field]) {
        for field in fields {
            self.field(field);
        }
        if !self.encoding.flexible {
            return;
        }
        let mut tagged = Vec::new();
        for field in fields {
            let field = self.encoding.present(field);
            if let Some(Field::Tagged(tag, field)) = field
                && self.random.random_bool(0.5)
            {
                let mut content = Self {
                    encoding: self.encoding,
                    random: StdRng::seed_from_u64(self.random.random()),
                    out: BytesMut::new(),
                    counts_before_the_lie: self.counts_before_the_lie,
                };
                content.field(field);
                self.counts_before_the_lie = content.counts_before_the_lie;
                tagged.push((*tag, content.out));
            }
        }
        if self.random.random_bool(0.2) {
            tagged.push((77, BytesMut::from(&b"from the future"[..])));
        }
        self.varint(tagged.len());
        for (tag, content) in tagged {
            self.varint(tag as usize);
            self.varint(content.len());
            self.out.put(content);
        }
    }

    fn field(&mut self, field: &Field) {
        match *field {
            // true is 1
            Field::Fixed(1) => self.out.put_u8(1),
            Field::Fixed(length) => {
                for _ in 0..length {
                    let byte = self.random.random();
                    self.out.put_u8(byte);
                }
            }
            Field::Text | Field::Data => {
                let length = self.random.random_range(0..200);
                match field {
                    Field::Text if !self.encoding.flexible => {
                        self.out.put_i16(i16::try_from(length).unwrap());
                    }
                    _ => self.length(length),
                }
                self.out.put_bytes(b'x', length);
            }
            Field::Each(item) => {
                for _ in 0..self.count() {
                    self.field(item);
                }
            }
            Field::List(fields) => {
                for _ in 0..self.count() {
                    self.fields(fields);
                }
            }
            Field::Struct(fields) => self.fields(fields),
            Field::Since(..) | Field::Until(..) => {
                if let Some(field) = self.encoding.present(field) {
                    self.field(field);
                }
            }
            Field::Tagged(..) => {}
        }
    }

    fn count(&mut self) -> usize {
        if self.lied() {
            self.length(0);
            return 0;
        }
        self.counts_before_the_lie -= 1;
        if self.lied() {
            self.length(i32::MAX as usize - 1);
            return 0;
        }
        let count = self.random.random_range(0..4);
        self.length(count);
        count
    }

    fn length(&mut self, length: usize) {
        if self.encoding.flexible {
            self.varint(length + 1);
        } else {
            self.out.put_i32(i32::try_from(length).unwrap());
        }
    }

    fn varint(&mut self, mut rest: usize) {
        while rest >= 0x80 {
            self.out.put_u8(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        self.out.put_u8(u8::try_from(rest).unwrap());
    }
}

/// An answer, in the versions in which it is read here.
struct Known {
    name: &'static str,
    shape: &'static [Field],
    versions: std::ops::RangeInclusive<i16>,
    flexible: fn(i16) -> bool,
    /// What kafka-protocol leaves unread of it.
    unread: fn(&mut Bytes, i16) -> Result<usize, String>,
}

fn unread<A: Decodable>(body: &mut Bytes, version: i16) -> Result<usize, String> {
    A::decode(body, version).map_err(|error| error.to_string())?;
    Ok(body.len())
}

fn of<C: Call>() -> Known {
    Known {
        name: C::API.name,
        shape: C::SHAPE,
        versions: C::API.spoken.min..=C::API.spoken.max,
        flexible: |version| C::Answer::header_version(version) >= 1,
        unread: unread::<C::Answer>,
    }
}

fn all() -> Vec<Known> {
    vec![
        of::<MetadataRequest>(),
        of::<ListOffsetsRequest>(),
        of::<OffsetForLeaderEpochRequest>(),
        of::<FindCoordinatorRequest>(),
        of::<OffsetFetchRequest>(),
        of::<OffsetCommitRequest>(),
        of::<ListGroupsRequest>(),
        of::<DescribeGroupsRequest>(),
        of::<ConsumerGroupDescribeRequest>(),
        of::<CreateTopicsRequest>(),
        of::<DeleteRecordsRequest>(),
        of::<DeleteTopicsRequest>(),
        of::<DescribeClusterRequest>(),
        of::<DescribeConfigsRequest>(),
        of::<IncrementalAlterConfigsRequest>(),
        of::<InitProducerIdRequest>(),
        of::<DescribeProducersRequest>(),
        of::<DescribeLogDirsRequest>(),
        of::<ListConfigResourcesRequest>(),
        of::<DescribeAclsRequest>(),
        of::<CreateAclsRequest>(),
        of::<DeleteAclsRequest>(),
        of::<DescribeClientQuotasRequest>(),
        of::<AlterClientQuotasRequest>(),
        of::<DescribeDelegationTokenRequest>(),
        of::<ListPartitionReassignmentsRequest>(),
        of::<ListTransactionsRequest>(),
        of::<DescribeTransactionsRequest>(),
        of::<ShareGroupDescribeRequest>(),
        of::<DescribeShareGroupOffsetsRequest>(),
        of::<AlterShareGroupOffsetsRequest>(),
        of::<DescribeUserScramCredentialsRequest>(),
        of::<AlterUserScramCredentialsRequest>(),
        of::<DescribeQuorumRequest>(),
        of::<FetchSnapshotRequest>(),
        of::<SaslHandshakeRequest>(),
        of::<SaslAuthenticateRequest>(),
        Known {
            name: "ApiVersions",
            shape: answers::API_VERSIONS,
            versions: 0..=4,
            flexible: |version| version >= 3,
            unread: unread::<ApiVersionsResponse>,
        },
        Known {
            name: "ConsumerProtocolAssignment",
            shape: answers::CONSUMER_ASSIGNMENT,
            versions: 0..=3,
            flexible: |_| false,
            unread: unread::<ConsumerProtocolAssignment>,
        },
        Known {
            name: "Produce",
            shape: answers::PRODUCE,
            versions: 9..=13,
            flexible: |_| true,
            unread: unread::<ProduceResponse>,
        },
    ]
}

fn for_each(mut test: impl FnMut(&Known, Encoding)) {
    for known in all() {
        for version in known.versions.clone() {
            let flexible = (known.flexible)(version);
            test(&known, Encoding { version, flexible });
        }
    }
}

proptest! {
    #[test]
    fn the_shapes_are_those_that_are_decoded(seed in any::<u64>()) {
        for_each(|known, encoding| {
            let made = Maker::make(encoding, seed, usize::MAX, known.shape);
            let mut body = made.out.freeze();
            let place = format!("{} {}", known.name, encoding.version);
            encoding.check(known.name, &body, known.shape).expect(&place);
            assert_eq!((known.unread)(&mut body, encoding.version), Ok(0), "{place}");
        });
    }

    #[test]
    fn r2_a_huge_count_is_refused_wherever_it_stands(seed in any::<u64>(), before in 1_usize..12) {
        for_each(|known, encoding| {
            let made = Maker::make(encoding, seed, before, known.shape);
            if made.lied() {
                let body = made.out.freeze();
                let error = encoding.check(known.name, &body, known.shape).unwrap_err();
                assert!(error.to_string().contains("items announced"), "{error}");
            }
        });
    }

    #[test]
    fn r2_an_answer_that_was_cut_or_changed_takes_no_more_memory_than_it_may(
        seed in any::<u64>(),
        place in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in any::<bool>(),
    ) {
        for_each(|known, encoding| {
            let mut made = Maker::make(encoding, seed, usize::MAX, known.shape).out;
            let place = place.index(made.len());
            if cut {
                made.truncate(place);
            } else {
                made[place] = value;
            }
            let mut body = made.freeze();
            // what passes must be safe to decode: a huge count would end the test
            if encoding.check(known.name, &body, known.shape).is_ok() {
                drop((known.unread)(&mut body, encoding.version));
            }
        });
    }
}
