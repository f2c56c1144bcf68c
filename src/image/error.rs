//! Why something in an image cannot be read.

use std::io;

/// Why something in an image cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system could not read the image file.
    #[error("{0}")]
    Read(#[source] io::Error),
    /// The image contradicts its own format. The text says what, and where.
    #[error("{0}")]
    Damaged(String),
    /// The image uses something that this program cannot read. The text says what.
    #[error("{0}")]
    Unsupported(String),
}

impl Error {
    /// Says in what the image is damaged or not supported. What the system says stays as it is.
    pub(super) fn about(self, what: &str) -> Self {
        match self {
            Self::Read(error) => Self::Read(error),
            Self::Damaged(text) => Self::Damaged(format!("{what}: {text}")),
            Self::Unsupported(text) => Self::Unsupported(format!("{what}: {text}")),
        }
    }
}

/// A layer that implements [`ReadAt`](crate::bytes::ReadAt) can return only I/O errors. An error of
/// an image goes through them unchanged.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Read(error) => error,
            Error::Damaged(_) => Self::new(io::ErrorKind::InvalidData, error),
            Error::Unsupported(_) => Self::new(io::ErrorKind::Unsupported, error),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_goes_through_an_io_error_unchanged() {
        let errors = [
            Error::Damaged("torn".to_owned()),
            Error::Unsupported("odd".to_owned()),
            Error::Read(io::ErrorKind::UnexpectedEof.into()),
        ];
        for error in errors {
            let text = format!("{error:?}");
            let through = Error::from(io::Error::from(error));
            assert_eq!(format!("{through:?}"), text);
        }
    }
}
