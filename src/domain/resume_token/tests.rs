//! Tests of resume tokens.

use proptest::prelude::*;

use super::*;

fn stream(tenant: &str, clients: &[&str], database: &str, key: &str) -> Stream {
    let ids: Vec<ClientId> = clients.iter().map(|id| client_id(id)).collect();
    let tenant = TenantId::parse(tenant).unwrap();
    let incarnation = Incarnation::of(&[database]);
    Stream::new(TokenKey::new(key), incarnation, &tenant, Some(&ids))
}

fn client_id(digit: &str) -> ClientId {
    ClientId::parse(&digit.repeat(32)).unwrap()
}

fn acme() -> Stream {
    stream("acme", &["a", "b"], "one", "key")
}

fn seen() -> impl Strategy<Value = Arc<Seen>> {
    (any::<i64>(), prop::collection::btree_set(any::<u64>(), 1..8)).prop_map(|(time, numbers)| {
        let time = Timestamp::from_micros(time);
        let mut open: Vec<u64> = numbers.into_iter().collect();
        let newest = open.pop().unwrap();
        Arc::new(Seen { time, newest, open })
    })
}

fn points() -> impl Strategy<Value = Point> {
    let id = || "[0-9a-f]{32}".prop_map(|id| ClientId::parse(&id).unwrap());
    let place = (any::<u64>(), id(), any::<i64>()).prop_map(|(transaction, client_id, revision)| Place {
        transaction,
        client_id,
        revision,
    });
    let reading = (seen(), place).prop_map(|(until, place)| Reading { until, place });
    prop_oneof![
        (seen(), prop::option::of(reading))
            .prop_map(|(past, reading)| Point::Changes(Position { past, reading })),
        (seen(), prop::option::of(id())).prop_map(|(past, after)| Point::Initial { past, after }),
    ]
}

proptest! {
    #[test]
    fn a_token_names_its_point(point in points()) {
        let token = acme().token(&point);
        prop_assert_eq!(acme().point(&token), Ok(point));
    }

    #[test]
    fn a_damaged_token_is_rejected(
        point in points(),
        at in any::<prop::sample::Index>(),
        with in "[A-Za-z0-9_-]",
    ) {
        let token = acme().token(&point);
        let index = at.index(token.len());
        let mut damaged = token.clone();
        damaged.replace_range(index..=index, &with);
        prop_assume!(damaged != token);
        let rejected = acme().point(&damaged).unwrap_err();
        // The incarnation is in the clear, in the bytes 1 to 16.
        if !(1..23).contains(&index) {
            prop_assert_eq!(rejected, InvalidResumeToken::Damaged);
        }
        prop_assert_eq!(acme().point(&token[..index]), Err(InvalidResumeToken::Damaged));
    }

    #[test]
    fn no_text_makes_decoding_panic(text in any::<String>()) {
        prop_assert_eq!(acme().point(&text), Err(InvalidResumeToken::Damaged));
    }

    #[test]
    fn no_authentic_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _point = take_point(&mut bytes.as_slice());
    }
}

#[test]
fn a_token_is_of_one_stream_of_one_database() {
    let past = Seen {
        time: Timestamp::from_micros(1),
        newest: 0,
        open: Vec::new(),
    };
    let point = Point::Changes(Position::after(Arc::new(past)));
    let token = acme().token(&point);
    assert_eq!(
        stream("acme", &["b", "a", "a"], "one", "key").point(&token),
        Ok(point)
    );
    for (other, rejected) in [
        (
            stream("other", &["a", "b"], "one", "key"),
            InvalidResumeToken::OtherTenant,
        ),
        (
            stream("acme", &["a"], "one", "key"),
            InvalidResumeToken::OtherClients,
        ),
        (
            stream("acme", &[], "one", "key"),
            InvalidResumeToken::OtherClients,
        ),
        (
            stream("acme", &["a", "b"], "two", "another key"),
            InvalidResumeToken::OtherDatabase,
        ),
        (
            stream("acme", &["a", "b"], "one", "another key"),
            InvalidResumeToken::Damaged,
        ),
    ] {
        assert_eq!(other.point(&token), Err(rejected));
    }
}
