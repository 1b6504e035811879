//! Where a server is: `tcp://host:port`, `unix:///path` or `mem://name`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::status::{Code, Status};

/// One place to dial or to listen on.
///
/// ```
/// use rpc_core::Address;
///
/// let address: Address = "tcp://127.0.0.1:7000".parse()?;
/// assert_eq!(address, "127.0.0.1:7000".parse()?); // tcp unless it says otherwise
/// assert_eq!(address.to_string(), "tcp://127.0.0.1:7000");
/// # Ok::<(), rpc_core::Status>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A host (name or number) and a port.
    Tcp(String),
    /// A Unix domain socket's path.
    Unix(PathBuf),
    /// A name on an in-memory network.
    Memory(String),
}

impl Address {
    /// Reads a list, `tcp://a:1,b:1`: several nodes of one service.
    ///
    /// # Errors
    /// *Invalid argument* for an empty list, an unknown scheme or a TCP address without a port.
    pub fn parse_list(list: &str) -> Result<Vec<Self>, Status> {
        let (scheme, rest) = list.split_once("://").unwrap_or(("tcp", list));
        rest.split(',')
            .map(|part| match part.trim().split_once("://") {
                Some((own_scheme, rest)) => parse(list, own_scheme, rest),
                None => parse(list, scheme, part.trim()),
            })
            .collect()
    }
}

fn parse(whole: &str, scheme: &str, rest: &str) -> Result<Address, Status> {
    let refuse = |why: String| {
        Err(Status::local(Code::InvalidArgument, format!("bad address `{whole}`: {why}")))
    };
    match scheme {
        _ if rest.is_empty() => refuse("it names no node; expected `tcp://host:port`".into()),
        "tcp" => match rest.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Address::Tcp(rest.to_owned()))
            }
            Some((host, port)) if !host.is_empty() => {
                refuse(format!("`{port}` is no port from 0 to 65535; expected `host:port`"))
            }
            _ => refuse(format!("`{rest}` has no port; expected `host:port`")),
        },
        "unix" => Ok(Address::Unix(rest.into())),
        "mem" => Ok(Address::Memory(rest.to_owned())),
        other => refuse(format!("unknown scheme `{other}`; known are tcp, unix, mem")),
    }
}

impl FromStr for Address {
    type Err = Status;

    fn from_str(text: &str) -> Result<Self, Status> {
        let mut all = Self::parse_list(text)?;
        match (all.pop(), all.is_empty()) {
            (Some(address), true) => Ok(address),
            _ => Err(Status::local(
                Code::InvalidArgument,
                format!("bad address `{text}`: expected one node, not a list"),
            )),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host_and_port) => write!(f, "tcp://{host_and_port}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Memory(name) => write!(f, "mem://{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_shares_its_scheme() {
        let list = Address::parse_list("tcp://a:1, b:2,unix:///tmp/c").unwrap();
        assert_eq!(
            list,
            [
                Address::Tcp("a:1".into()),
                Address::Tcp("b:2".into()),
                Address::Unix("/tmp/c".into())
            ]
        );
    }

    #[test]
    fn each_mistake_says_what_was_expected() {
        for (text, says) in [
            ("", "names no node"),
            ("tcp://", "names no node"),
            ("tcp://a:1,,b:1", "names no node"),
            ("localhost", "`localhost` has no port"),
            ("tcp://a:http", "`http` is no port from 0 to 65535"),
            ("tcp://a:99999", "`99999` is no port from 0 to 65535"),
            ("tcp://:7000", "expected `host:port`"),
            ("http://a:1", "unknown scheme `http`; known are tcp, unix, mem"),
        ] {
            let error = Address::parse_list(text).unwrap_err();
            assert!(error.message().contains(says), "{text}: {error}");
        }
    }
}
