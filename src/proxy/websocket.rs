//! Where one WebSocket frame ends and the next begins (RFC 6455 section 5.2), so that Argus can say goodbye between
//! two frames of somebody else's conversation.

/// A close frame with the code 1001, going away (RFC 6455 section 7.4.1).
pub const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];

/// Longest head of a frame: two bytes, eight of length, four of mask.
const HEAD_MAX: usize = 14;

/// Follows the frames of one direction.
#[derive(Debug, Default)]
pub struct FrameWalk {
    head: [u8; HEAD_MAX],
    have: usize,
    /// Bytes of the payload that are still to come.
    payload: u64,
}

impl FrameWalk {
    /// Takes in what has passed.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let step = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
                self.payload -= step as u64;
                bytes = &bytes[step..];
                continue;
            }
            self.head[self.have] = bytes[0];
            self.have += 1;
            bytes = &bytes[1..];
            if self.have == self.head_len() {
                self.payload = self.payload_len();
                self.have = 0;
            }
        }
    }

    /// Whether a frame could begin here.
    pub fn is_between_frames(&self) -> bool {
        self.have == 0 && self.payload == 0
    }

    /// Length of the head as far as is known: at least two, and more once those say so.
    fn head_len(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let extended = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + extended + if self.head[1] & 0x80 != 0 { 4 } else { 0 }
    }

    fn payload_len(&self) -> u64 {
        let extended = |n: usize| self.head[2..2 + n].iter().fold(0_u64, |sum, b| sum << 8 | u64::from(*b));
        match self.head[1] & 0x7f {
            126 => extended(2),
            127 => extended(8),
            short => u64::from(short),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(payload: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut out = vec![0x82];
        match payload {
            0..=125 => out.push(mask | u8::try_from(payload).unwrap()),
            126..=65_535 => {
                out.push(mask | 126);
                out.extend(u16::try_from(payload).unwrap().to_be_bytes());
            }
            _ => {
                out.push(mask | 127);
                out.extend((payload as u64).to_be_bytes());
            }
        }
        out.extend(std::iter::repeat_n(7, payload + if masked { 4 } else { 0 }));
        out
    }

    proptest! {
        #[test]
        fn however_cut_the_ends_are_found(
            frames in proptest::collection::vec((prop_oneof![0_usize..300, 65_530_usize..65_540], any::<bool>()), 1..5),
            cut in 1_usize..5_000,
        ) {
            let mut walk = FrameWalk::default();
            for (payload, masked) in frames {
                let bytes = frame(payload, masked);
                let (last, rest) = bytes.split_last().unwrap();
                rest.chunks(cut).for_each(|c| walk.pass(c));
                prop_assert!(!walk.is_between_frames());
                walk.pass(&[*last]);
                prop_assert!(walk.is_between_frames());
            }
        }

        #[test]
        fn any_bytes_are_walked(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            FrameWalk::default().pass(&bytes);
        }
    }
}
