//! SHA-256 (FIPS 180-4), the one digest of this crate.

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

/// A SHA-256 digest.
pub(crate) type Sha256 = [u8; SHA256_OUTPUT_LEN];

/// Returns the SHA-256 digest of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    finish(|context| context.update(bytes))
}

/// Returns the SHA-256 digest of several texts, each preceded by its length, so that no two lists of texts have the
/// same input.
pub(crate) fn sha256_of_texts(texts: &[impl AsRef<[u8]>]) -> Sha256 {
    finish(|context| {
        for text in texts {
            let text = text.as_ref();
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text);
        }
    })
}

/// Returns the first bytes of the SHA-256 digest of some bytes: a checksum or a fingerprint.
pub(crate) fn sha256_prefix<const N: usize>(bytes: &[u8]) -> [u8; N] {
    const { assert!(N <= SHA256_OUTPUT_LEN) };
    let mut prefix = [0; N];
    for (to, from) in prefix.iter_mut().zip(sha256(bytes)) {
        *to = from;
    }
    prefix
}

fn finish(update: impl FnOnce(&mut Context)) -> Sha256 {
    let mut context = Context::new(&SHA256);
    update(&mut context);
    let mut digest = [0; SHA256_OUTPUT_LEN];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_sha_256() {
        // The example "abc" of FIPS 180-4.
        let expected = [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea];
        assert_eq!(sha256_prefix(b"abc"), expected);
        assert!(sha256(b"abc").starts_with(&expected));
    }

    #[test]
    fn lists_of_texts_with_the_same_characters_differ() {
        assert_ne!(sha256_of_texts(&["ab", "c"]), sha256_of_texts(&["a", "bc"]));
        assert_ne!(sha256_of_texts(&["a"]), sha256_of_texts(&["a", ""]));
    }
}
