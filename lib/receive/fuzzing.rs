//! Feeds the fuzzer's input to the code that splits a push into records.

use std::path::Path;

use super::envelope::{self, Piece};
use super::record_key::record_id;

/// Splits the bytes, and checks that each record is on one line, and that the record has the same
/// key when it is pushed in an array.
pub(crate) fn push(bytes: &[u8], _: &Path) {
    for piece in envelope::split(bytes).pieces {
        let Piece::Record(record) = piece else {
            continue;
        };
        assert!(!record.contains('\n'), "{record}");
        let Ok(id) = record_id(&record) else { continue };
        let again = format!("[{record}]");
        match &envelope::split(again.as_bytes()).pieces[..] {
            [Piece::Record(again)] => {
                assert_eq!(
                    record_id(again).map(|id| id.key).ok(),
                    Some(id.key),
                    "{record}"
                );
            }
            pieces => assert!(pieces.is_empty(), "{record}"),
        }
    }
}
