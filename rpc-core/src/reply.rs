//! What a method may return, and how that becomes a response and a result again.

use std::cell::Cell;

use rpc_codec::format::{DecodeLimits, FormatError, Formats};

use bytes::{Bytes, BytesMut};

use crate::request::{AppErrorHead, Response};
use crate::status::{AppError, Code, Error, Executed, Origin, Status};

/// A method's return type: `Result<T, Status>`, or `Result<T, Error<E>>` where `E` is an error of
/// the method's own. `F` is the list of formats of its service.
#[diagnostic::on_unimplemented(
    message = "a method can't return `{Self}`",
    label = "expected `Result<T, Status>` or `Result<T, rpc_core::Error<E>>`",
    note = "`T` and `E` have to be encodable in every format of the service (for the default ones: \
            derive `serde::Serialize` and `serde::Deserialize`), and `E` has to be an \
            `rpc_core::AppError`"
)]
pub trait Reply<F>: Sized + Send {
    /// What goes out for it.
    ///
    /// # Errors
    /// The status, if it is one or can't be encoded.
    fn encode(self, format: &str) -> Result<Response, Status>;

    /// What it was.
    fn decode(result: Result<Response, Status>, format: &str, limits: &DecodeLimits) -> Self;

    /// The status, if it is neither an answer nor the method's own error.
    fn as_status(&self) -> Option<&Status>;
}

impl<F, T> Reply<F> for Result<T, Status>
where
    F: Formats<T>,
    T: Send,
{
    fn encode(self, format: &str) -> Result<Response, Status> {
        encode_value::<F, T>(&self.map_err(Status::said_by_handler)?, format)
    }

    fn decode(result: Result<Response, Status>, format: &str, limits: &DecodeLimits) -> Self {
        let mut response = result?;
        match response.app_error.take() {
            Some(error) => Err(error.into_status()),
            None => decode_value::<F, T>(response, format, limits),
        }
    }

    fn as_status(&self) -> Option<&Status> {
        self.as_ref().err()
    }
}

impl<F, T, E> Reply<F> for Result<T, Error<E>>
where
    F: Formats<T> + Formats<E>,
    T: Send,
    E: AppError,
{
    fn encode(self, format: &str) -> Result<Response, Status> {
        match self {
            Ok(value) => encode_value::<F, T>(&value, format),
            Err(Error::Status(status)) => Err(status.said_by_handler()),
            Err(Error::App(error)) => {
                let mut response = encode_value::<F, E>(&error, format)?;
                // An error can't go out as *ok*, whatever its `code` says.
                let code = match error.code() {
                    Code::Ok => Code::Unknown,
                    code => code,
                };
                let message = error.to_string();
                response.app_error = Some(Box::new(AppErrorHead { code, message }));
                Ok(response)
            }
        }
    }

    fn decode(result: Result<Response, Status>, format: &str, limits: &DecodeLimits) -> Self {
        let mut response = result?;
        let Some(head) = response.app_error.take() else {
            return Ok(decode_value::<F, T>(response, format, limits)?);
        };
        match <F as Formats<E>>::decode(format, response.body, limits) {
            Ok(error) => Err(Error::App(error)),
            // A newer variant, most likely: its code and message say enough.
            Err(_) => Err(Error::Status(head.into_status())),
        }
    }

    fn as_status(&self) -> Option<&Status> {
        self.as_ref().err().and_then(Error::as_status)
    }
}

/// Encodes a call's arguments.
pub(crate) fn encode_args<F, A>(args: &A, format: &str) -> Result<Bytes, Status>
where
    F: Formats<A>,
{
    encoded(|out| F::encode(format, args, out)).map_err(|error| {
        let what = match error {
            FormatError::Unknown { .. } => error.to_string(),
            other => format!("the arguments could not be encoded: {other}"),
        };
        Status::local(Code::InvalidArgument, what)
    })
}

/// Decodes a call's arguments, on the server.
pub(crate) fn decode_args<F, A>(
    body: Bytes,
    format: &str,
    limits: &DecodeLimits,
) -> Result<A, Status>
where
    F: Formats<A>,
{
    F::decode(format, body, limits).map_err(|error| match error {
        FormatError::Unknown { .. } => Status::refused(Code::Unimplemented, error.to_string()),
        other => Status::refused(
            Code::InvalidArgument,
            format!("the arguments could not be decoded: {other}"),
        ),
    })
}

fn encode_value<F, T>(value: &T, format: &str) -> Result<Response, Status>
where
    F: Formats<T>,
{
    encoded(|out| F::encode(format, value, out)).map(Response::new).map_err(|error| {
        Status::internal(format!("the answer could not be encoded: {error}"))
            .from(Origin::Server, Executed::Yes)
    })
}

/// Messages up to this size are cut from a piece of memory that a thread keeps.
const SMALL_BYTES: usize = 1024;
/// How much such a piece holds.
const PIECE_BYTES: usize = 8 * SMALL_BYTES;

thread_local! {
    static PIECE: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// What `encode` writes. A small message takes no memory of its own: what is left of its piece is for
/// the next, and the piece is used again from its front once all that were cut from it are gone.
fn encoded(
    encode: impl FnOnce(&mut BytesMut) -> Result<(), FormatError>,
) -> Result<Bytes, FormatError> {
    PIECE.with(|piece| {
        // Taken, not borrowed: a value may well encode another one while it is being encoded.
        let mut out = piece.take().unwrap_or_default();
        if out.capacity() < SMALL_BYTES {
            out.reserve(PIECE_BYTES);
        }
        encode(&mut out)?;
        let message = out.split().freeze();
        if message.len() <= SMALL_BYTES {
            piece.set(Some(out));
        }
        Ok(message)
    })
}

fn decode_value<F, T>(response: Response, format: &str, limits: &DecodeLimits) -> Result<T, Status>
where
    F: Formats<T>,
{
    F::decode(format, response.body, limits).map_err(|error| {
        Status::internal(format!("the answer could not be decoded: {error}"))
            .from(Origin::Client, Executed::Yes)
    })
}
