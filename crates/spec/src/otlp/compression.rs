//! `Content-Encoding` of OTLP requests. What comes out is bounded before it is made.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::{MOST_BYTES, OtlpError};

/// The bytes without their compression: `gzip`, `deflate` (with zlib's frame, as it should be, or bare), or none.
pub fn decompress(bytes: &[u8], encoding: &str) -> Result<Vec<u8>, OtlpError> {
    let encoding = encoding.trim().to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" => Ok(bytes.to_vec()),
        "gzip" => whole(MultiGzDecoder::new(bytes), "gzip"),
        "deflate" => match whole(ZlibDecoder::new(bytes), "deflate") {
            Err(OtlpError::Malformed(_)) => whole(DeflateDecoder::new(bytes), "deflate"),
            framed => framed,
        },
        _ => Err(OtlpError::Malformed(format!(
            "Unsupported Content-Encoding: {encoding}"
        ))),
    }
}

fn whole(stream: impl Read, encoding: &str) -> Result<Vec<u8>, OtlpError> {
    let mut out = Vec::new();
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    stream
        .take(most.saturating_add(1))
        .read_to_end(&mut out)
        .map_err(|_| OtlpError::Malformed(format!("Failed to decompress {encoding} payload")))?;
    if out.len() > MOST_BYTES {
        return Err(OtlpError::TooLarge(format!(
            "The request is larger than {MOST_BYTES} bytes after decompression. Please split it up and try again."
        )));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    #[test]
    fn three_ways_to_compress_are_read() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        for writer in [&mut gzip as &mut dyn Write, &mut zlib, &mut bare] {
            writer.write_all(b"spans").unwrap();
        }
        let sent = [
            (gzip.finish().unwrap(), "GZIP"),
            (zlib.finish().unwrap(), "deflate"),
            (bare.finish().unwrap(), "deflate"),
            (b"spans".to_vec(), "identity"),
        ];
        for (bytes, encoding) in sent {
            assert_eq!(
                decompress(&bytes, encoding).unwrap(),
                b"spans",
                "{encoding}"
            );
        }
    }

    #[test]
    fn what_is_cut_short_or_unknown_is_refused() {
        let message = |bytes: &[u8], encoding: &str| decompress(bytes, encoding).unwrap_err();
        assert_eq!(
            message(b"no gzip", "gzip").to_string(),
            "Failed to decompress gzip payload"
        );
        assert_eq!(
            message(b"\xff\xff", "deflate").to_string(),
            "Failed to decompress deflate payload"
        );
        assert_eq!(
            message(b"", "br").to_string(),
            "Unsupported Content-Encoding: br"
        );
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
        let zeros = vec![0; 1 << 20];
        for _ in 0..80 {
            bomb.write_all(&zeros).unwrap();
        }
        let refused = decompress(&bomb.finish().unwrap(), "gzip");
        assert!(matches!(refused, Err(OtlpError::TooLarge(_))));
    }
}
