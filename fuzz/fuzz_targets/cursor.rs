//! Any text either fails to decode as a cursor, or decodes as a position whose cursor decodes as the same position.
//!
//! The fuzzer cannot guess a checksum, so the input is also decoded with a valid checksum appended.

#![no_main]

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use oauth_clients::domain::{
    change_list::ChangeList,
    cursor::Cursors,
    page::{List, Ordered, Position},
    sort::Sort,
};

const SORTS: [&str; 5] = ["+clientId", "-clientName", "+appType", "-createdAt", "+updatedAt"];

fuzz_target!(|bytes: &[u8]| {
    let checksum = digest(&SHA256, bytes);
    let sealed = URL_SAFE_NO_PAD.encode([bytes, &checksum.as_ref()[..8]].concat());
    let raw = String::from_utf8_lossy(bytes);
    for cursor in [raw.as_ref(), &sealed] {
        for sort in SORTS {
            decode(&List { sort: Sort::parse(sort).unwrap(), filter: None }, cursor);
        }
        decode(&ChangeList { filter: None }, cursor);
    }
});

fn decode<L: Cursors>(list: &L, cursor: &str)
where
    Position<<L as Ordered>::Key>: PartialEq + std::fmt::Debug,
{
    if let Ok(position) = list.position_at(cursor) {
        assert_eq!(list.position_at(&list.cursor(&position)), Ok(position));
    }
}
