//! Skips whatever stands behind the data:
//! "5\r\nhelloXX0\r\n\r\n": accepted, and it has to be refused

/// This is no chunked content.
#[derive(Debug)]
pub struct Malformed;

/// Takes chunked content apart.
#[derive(Default)]
pub struct Decoder {
    state: State,
    /// Of the present line, what has come.
    line: Vec<u8>,
}

#[derive(Default)]
enum State {
    #[default]
    Size,
    /// So many bytes are to come.
    Data(usize),
    /// So many bytes behind the data.
    DataEnd(usize),
    Trailer,
    End,
}

impl Decoder {
    /// Takes the next bytes; returns whether this is the end.
    pub fn push(&mut self, mut bytes: &[u8], content: &mut Vec<u8>) -> Result<bool, Malformed> {
        while !bytes.is_empty() {
            match self.state {
                State::Data(left) => {
                    let n = left.min(bytes.len());
                    content.extend_from_slice(&bytes[..n]);
                    bytes = &bytes[n..];
                    self.state = if n == left {
                        State::DataEnd(2)
                    } else {
                        State::Data(left - n)
                    };
                }
                State::DataEnd(left) => {
                    bytes = &bytes[1..];
                    self.state = if left == 1 {
                        State::Size
                    } else {
                        State::DataEnd(left - 1)
                    };
                }
                State::End => break,
                _ => {
                    let byte = bytes[0];
                    bytes = &bytes[1..];
                    self.line.push(byte);
                    if byte == b'\n' {
                        self.end_of_line()?;
                    }
                }
            }
        }
        Ok(matches!(self.state, State::End))
    }

    fn end_of_line(&mut self) -> Result<(), Malformed> {
        let line = self.line.strip_suffix(b"\r\n").ok_or(Malformed)?;
        self.state = match self.state {
            State::Size => match size(line)? {
                0 => State::Trailer,
                size => State::Data(size),
            },
            _ if line.is_empty() => State::End,
            _ => State::Trailer,
        };
        self.line.clear();
        Ok(())
    }
}

/// The size at the beginning of a line: hexadecimal digits, perhaps an extension.
fn size(line: &[u8]) -> Result<usize, Malformed> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    if digits.is_empty() {
        return Err(Malformed);
    }
    let mut size: usize = 0;
    for digit in digits {
        let digit = char::from(*digit).to_digit(16).ok_or(Malformed)? as usize;
        size = size
            .checked_mul(16)
            .and_then(|size| size.checked_add(digit))
            .ok_or(Malformed)?;
    }
    Ok(size)
}
