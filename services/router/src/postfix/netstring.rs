//! Netstrings: `3:abc,`.

use std::io;

use tokio::io::{AsyncBufRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest request, in bytes: a map's name and an address, with room.
const LIMIT: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("no netstring of at most {LIMIT} bytes of UTF-8")]
    Malformed,
}

/// The next netstring; `None` when the connection ended between two.
pub async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<String>, Error> {
    let mut length: usize = 0;
    let mut digits = 0;
    loop {
        let byte = match stream.read_u8().await {
            Ok(byte) => byte,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && digits == 0 => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match byte {
            b'0'..=b'9' if length <= LIMIT => {
                length = length * 10 + usize::from(byte - b'0');
                digits += 1;
            }
            b':' if digits > 0 && length <= LIMIT => break,
            _ => return Err(Error::Malformed),
        }
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await?;
    if stream.read_u8().await? != b',' {
        return Err(Error::Malformed);
    }
    String::from_utf8(content).map(Some).map_err(|_| Error::Malformed)
}

/// Writes a netstring and flushes it.
pub async fn write(stream: &mut (impl AsyncWrite + Unpin), content: &str) -> Result<(), Error> {
    let netstring = format!("{}:{content},", content.len());
    stream.write_all(netstring.as_bytes()).await?;
    stream.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[tokio::test]
    async fn what_is_written_is_read_and_the_next_after_it() {
        let mut stream = Vec::new();
        write(&mut stream, "domains kkr.gov.my").await.unwrap();
        write(&mut stream, "").await.unwrap();
        let mut rest = stream.as_slice();
        assert_eq!(
            read(&mut rest).await.unwrap().as_deref(),
            Some("domains kkr.gov.my")
        );
        assert_eq!(read(&mut rest).await.unwrap().as_deref(), Some(""));
        assert_eq!(read(&mut rest).await.unwrap(), None);
    }

    #[rstest]
    #[case(b"abc,")]
    #[case(b":,")]
    #[case(b"3:abcd")]
    #[case(b"3:ab")]
    #[case(b"99999999999999999999999999:")]
    #[case(b"1:\xff,")]
    #[tokio::test]
    async fn what_is_no_netstring_is_refused(#[case] bytes: &[u8]) {
        assert!(read(&mut &bytes[..]).await.is_err());
    }
}
