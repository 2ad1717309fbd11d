//! Finds the heads of the frames in the bytes of an HTTP/2 connection (RFC 9113 section 4.1).

/// The bytes with which a client begins (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;

/// The meaning of a frame for its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// Headers, the first of which opens the stream.
    Headers {
        stream: u32,
        /// Is `true` if nothing follows on the stream in this direction.
        ends: bool,
    },
    /// The end of a body, with nothing after it.
    LastData,
    /// A reset of the stream.
    Reset { stream: u32 },
}

/// The frames of one direction of a connection.
#[derive(Debug)]
pub(super) struct Frames(State);

#[derive(Debug)]
enum State {
    Preface {
        seen: usize,
    },
    Head {
        head: [u8; HEAD_BYTES],
        seen: usize,
    },
    Payload {
        left: usize,
    },
    /// It is another protocol.
    NotHttp2,
}

const NEXT: State = State::Head {
    head: [0; HEAD_BYTES],
    seen: 0,
};

impl Frames {
    /// Returns the frames that a client sends, after its preface. With another protocol there are none.
    pub(super) fn of_client() -> Self {
        Self(State::Preface { seen: 0 })
    }

    /// Returns the frames that a server sends.
    pub(super) fn of_server() -> Self {
        Self(NEXT)
    }

    /// Returns `true` if it is certain that this is not HTTP/2.
    pub(super) fn is_other_protocol(&self) -> bool {
        matches!(self.0, State::NotHttp2)
    }

    /// Reads the next bytes, and calls `found` with each frame in them that means something.
    pub(super) fn read(&mut self, mut bytes: &[u8], mut found: impl FnMut(Frame)) {
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.0 {
                State::NotHttp2 => return,
                State::Preface { seen } if PREFACE.get(*seen) == Some(first) => {
                    *seen += 1;
                    bytes = rest;
                    if *seen == PREFACE.len() {
                        self.0 = NEXT;
                    }
                }
                State::Preface { .. } => self.0 = State::NotHttp2,
                State::Head { head, seen } => {
                    let length = bytes.len().min(HEAD_BYTES - *seen);
                    if let (Some(to), Some((from, rest))) = (
                        head.get_mut(*seen..*seen + length),
                        bytes.split_at_checked(length),
                    ) {
                        to.copy_from_slice(from);
                        bytes = rest;
                    }
                    *seen += length;
                    if *seen == HEAD_BYTES {
                        let (left, frame) = parse(*head);
                        self.0 = if left == 0 { NEXT } else { State::Payload { left } };
                        if let Some(frame) = frame {
                            found(frame);
                        }
                    }
                }
                State::Payload { left } => {
                    let length = bytes.len().min(*left);
                    bytes = bytes.get(length..).unwrap_or_default();
                    *left -= length;
                    if *left == 0 {
                        self.0 = NEXT;
                    }
                }
            }
        }
    }
}

/// Returns the length of the payload, and what the frame means.
fn parse([l0, l1, l2, kind, flags, s0, s1, s2, s3]: [u8; HEAD_BYTES]) -> (usize, Option<Frame>) {
    // The length has 24 bits, so it fits.
    let length = usize::try_from(u32::from_be_bytes([0, l0, l1, l2])).unwrap_or(usize::MAX);
    // The first bit is reserved.
    let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
    let ends = flags & END_STREAM != 0;
    let frame = match kind {
        HEADERS => Some(Frame::Headers { stream, ends }),
        DATA if ends => Some(Frame::LastData),
        RST_STREAM => Some(Frame::Reset { stream }),
        _ => None,
    };
    (length, frame)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns a frame with an empty or short payload.
    pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length, &[kind, flags][..], &stream.to_be_bytes(), payload].concat()
    }

    pub(crate) fn headers(stream: u32) -> Vec<u8> {
        frame(HEADERS, 4, stream, b"\x82")
    }

    pub(crate) fn reset(stream: u32) -> Vec<u8> {
        frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
    }

    pub(crate) fn last_data(stream: u32) -> Vec<u8> {
        frame(DATA, END_STREAM, stream, b"")
    }

    pub(crate) fn preface() -> Vec<u8> {
        PREFACE.to_vec()
    }

    fn read_in_pieces(frames: &mut Frames, bytes: &[u8], size: usize) -> Vec<Frame> {
        let mut found = Vec::new();
        for piece in bytes.chunks(size) {
            frames.read(piece, |frame| found.push(frame));
        }
        found
    }

    #[test]
    fn frames_are_found_wherever_the_bytes_are_cut() {
        let settings = frame(4, 0, 0, &[0; 12]);
        let bytes = [
            PREFACE.to_vec(),
            settings,
            headers(1),
            frame(DATA, 0, 1, b"abc"),
            last_data(1),
            frame(HEADERS, 5, 0x8000_0003, &[0; 300]),
            reset(3),
        ]
        .concat();
        for size in 1..bytes.len() {
            let found = read_in_pieces(&mut Frames::of_client(), &bytes, size);
            assert_eq!(
                found,
                [
                    Frame::Headers {
                        stream: 1,
                        ends: false
                    },
                    Frame::LastData,
                    Frame::Headers {
                        stream: 3,
                        ends: true
                    },
                    Frame::Reset { stream: 3 },
                ]
            );
        }
    }

    #[test]
    fn another_protocol_has_no_frames() {
        let bytes = [b"PRI ".to_vec(), headers(1)].concat();
        let mut frames = Frames::of_client();
        assert_eq!(read_in_pieces(&mut frames, &bytes, 3), []);
        assert!(frames.is_other_protocol());
    }
}
