//! Any text either fails to parse as a filter, or parses as one whose printed form parses as the same filter.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oauth_clients::domain::filter::{Filter, MAX_BYTES};

fuzz_target!(|text: &str| {
    match <Filter>::parse(text) {
        Ok(filter) => {
            let printed = filter.to_string();
            if printed.len() <= MAX_BYTES {
                assert_eq!(<Filter>::parse(&printed), Ok(filter));
            }
        }
        Err(error) => assert!(error.position <= text.len()),
    }
});
