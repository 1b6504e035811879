//! What a caller says about its calls, beside their arguments.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use rpc_codec::{Compression, Metadata, MetadataError, Priority};

use crate::report::CallReport;
use crate::status::{Code, Status};

#[derive(Clone, Debug, Default)]
pub(super) struct CallOptions {
    pub(super) timeout: Option<Duration>,
    pub(super) format: Option<Cow<'static, str>>,
    pub(super) compression: Compression,
    pub(super) priority: Option<Priority>,
    pub(super) metadata: Metadata,
    /// The first mistake in the metadata; told by the call, so that options can be chained.
    pub(super) mistake: Option<MetadataError>,
    pub(super) report: Option<CallReport>,
}

impl CallOptions {
    pub(super) fn insert_metadata(&mut self, key: &str, value: Bytes) {
        if let Err(mistake) = self.metadata.insert(key, value) {
            self.mistake.get_or_insert(mistake);
        }
    }

    pub(super) fn check(&self) -> Result<(), Status> {
        match &self.mistake {
            None => Ok(()),
            Some(mistake) => {
                Err(Status::local(Code::InvalidArgument, format!("bad metadata: {mistake}")))
            }
        }
    }
}
