//! gRPC over HTTP/2, as far as it is used here: a request is one message, an answer one or a stream of them.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use percent_encoding::percent_decode;
use prost::Message;

use crate::{connection::Connection, error::Failure};

/// The longest message: a thousand stores are about a megabyte.
const LONGEST: usize = 64 << 20;
/// Before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// The messages of one answer.
pub(crate) struct Messages {
    body: Incoming,
    buffer: BytesMut,
    /// hyper asks for signs of life only while a sender is there.
    _connection: Connection,
}

/// One message as a request's body.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut framed = BytesMut::with_capacity(PREFIX + length);
    framed.put_u8(0);
    // No request here is nearly as long as four gigabytes.
    framed.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    framed.extend_from_slice(&message.encode_to_vec());
    framed.freeze()
}

/// What the answer's head or trailers say of the request: `None` while they say nothing.
pub(crate) fn status(headers: &HeaderMap) -> Option<Result<(), Failure>> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let code: u32 = text("grpc-status")?.parse().ok()?;
    if code == 0 {
        return Some(Ok(()));
    }
    let message = percent_decode(text("grpc-message").unwrap_or_default().as_bytes()).decode_utf8_lossy();
    Some(Err(Failure::of_status(code, &message)))
}

impl Messages {
    pub fn new(body: Incoming, connection: Connection) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            _connection: connection,
        }
    }

    /// The next message, or `None` after the last. Loses nothing when it is dropped halfway.
    pub async fn next<T: Message + Default>(&mut self) -> Result<Option<T>, Failure> {
        loop {
            if let Some(message) = take(&mut self.buffer)? {
                return T::decode(message).map(Some).map_err(|error| Failure::Malformed {
                    what: "a message of etcd's".to_owned(),
                    why: error.to_string(),
                });
            }
            let frame = match self.body.frame().await {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Err(Failure::Open(format!("the answer broke off: {error}"))),
                None => return Err(Failure::Open("the answer ended without a status".to_owned())),
            };
            match frame.into_data() {
                Ok(data) => self.buffer.extend_from_slice(&data),
                Err(frame) => {
                    if let Some(outcome) = frame.trailers_ref().and_then(status) {
                        return outcome.map(|()| None);
                    }
                }
            }
        }
    }

    /// The only message, once the status has come too.
    pub async fn only<T: Message + Default>(mut self) -> Result<T, Failure> {
        let message = self.next().await?;
        while message.is_some() && self.next::<T>().await?.is_some() {}
        message.ok_or_else(|| Failure::Malformed {
            what: "an answer of etcd's".to_owned(),
            why: "it has no message".to_owned(),
        })
    }
}

/// A whole message from the beginning of the buffer.
fn take(buffer: &mut BytesMut) -> Result<Option<Bytes>, Failure> {
    if buffer.len() < PREFIX {
        return Ok(None);
    }
    let (compressed, length) = (buffer[0] != 0, (&buffer[1..PREFIX]).get_u32() as usize);
    if compressed || length > LONGEST {
        return Err(Failure::Malformed {
            what: "an answer of etcd's".to_owned(),
            why: format!("a message of {length} bytes, compressed: {compressed}"),
        });
    }
    if buffer.len() < PREFIX + length {
        return Ok(None);
    }
    buffer.advance(PREFIX);
    Ok(Some(buffer.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Code, wire::LeaseRequest};

    #[test]
    fn messages_are_taken_from_the_stream_one_by_one() {
        let framed = framed(&LeaseRequest { id: 7 });
        let mut buffer = BytesMut::from(&framed[..framed.len() - 1]);
        assert!(take(&mut buffer).unwrap().is_none());
        buffer.extend_from_slice(&framed[framed.len() - 1..]);
        buffer.extend_from_slice(&framed);
        for _ in 0..2 {
            let message = take(&mut buffer).unwrap().unwrap();
            assert_eq!(LeaseRequest::decode(message).unwrap().id, 7);
        }
        assert!(take(&mut buffer).unwrap().is_none());
    }

    #[test]
    fn a_message_beyond_all_measure_is_refused() {
        let mut buffer = BytesMut::from(&[0, 0xff, 0xff, 0xff, 0xff][..]);
        assert!(matches!(take(&mut buffer), Err(Failure::Malformed { .. })));
    }

    #[test]
    fn a_status_may_be_good_bad_or_absent() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect()
        };
        assert!(status(&headers(&[])).is_none());
        assert!(matches!(status(&headers(&[("grpc-status", "0")])), Some(Ok(()))));
        let refused = status(&headers(&[("grpc-status", "5"), ("grpc-message", "no%20lease")]));
        assert!(
            matches!(&refused, Some(Err(Failure::Rejected { code: Code::NotFound, message })) if message == "no lease"),
            "{refused:?}"
        );
    }
}
