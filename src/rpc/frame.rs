//! The framing of messages on gRPC: a byte for compression, the length in four bytes, and the message.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prost::Message;

/// The largest message that the server accepts.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// The bytes of a frame before its message.
pub(crate) const HEADER_BYTES: usize = 5;

/// Returns a message as an uncompressed frame.
pub(crate) fn encode(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(HEADER_BYTES + length);
    frame.put_u8(0);
    // Messages are made from bodies of about 1 MiB at most, so the length fits.
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // The buffer has the room and would grow, so this never fails.
    let _encoded = message.encode(&mut frame);
    frame.freeze()
}

/// Returns the message of a frame of this server.
pub(crate) fn message(frame: &Bytes) -> Option<Bytes> {
    (frame.len() >= HEADER_BYTES).then(|| frame.slice(HEADER_BYTES..))
}

/// Returns the message of a body, or `None` if the body is not exactly one uncompressed frame.
pub(crate) fn decode(mut body: Bytes) -> Option<Bytes> {
    if body.remaining() < HEADER_BYTES || body.get_u8() != 0 {
        return None;
    }
    let length = usize::try_from(body.get_u32()).ok()?;
    (body.remaining() == length).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_its_message() {
        let message = "message".to_owned();
        assert_eq!(decode(encode(&message)).unwrap(), message.encode_to_vec());
    }

    #[test]
    fn anything_but_one_uncompressed_frame_has_no_message() {
        for body in [
            &b""[..],
            b"\0\0\0\0",
            b"\x01\0\0\0\0",
            b"\0\0\0\0\x01",
            b"\0\0\0\0\0\0",
        ] {
            assert_eq!(decode(Bytes::from_static(body)), None, "{body:?}");
        }
    }
}
