//! Feeds the fuzzer's input to the code that reads tables and archives, and checks the results.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use super::csv::Rows;
use super::zip::{self, Archive, Unpacker, ZipBytes, ZipLimits};

/// Reads a table. For each row with a line end, reads a second table of only the header and this
/// row, and checks that the cells are the same. If all cells are empty, the second table is allowed
/// to have no row.
pub(crate) fn csv(bytes: &[u8], _: &Path) {
    let Ok(mut rows) = Rows::new(bytes) else {
        return;
    };
    let header = rows.raw_header().to_vec();
    while let Ok(Some(row)) = rows.next_row() {
        if !row.has_line_end() {
            continue;
        }
        let cells: Vec<&str> = row.cells().collect();
        let alone = [&header[..], &row.raw()].concat();
        let mut alone = Rows::new(&alone[..]).map_err(|_| "no header");
        let again = alone.as_mut().map(Rows::next_row);
        match again {
            Ok(Ok(Some(again))) => assert_eq!(again.cells().collect::<Vec<_>>(), cells),
            _ => assert!(cells.iter().all(|cell| cell.is_empty()), "{cells:?}"),
        }
    }
}

/// The largest member that is compared, in bytes.
const COMPARED: u64 = 1 << 20;

/// Checks that each member that can be read to its end has the content that the `zip` crate reads.
/// `file` contains `bytes`.
pub(crate) fn zip(bytes: &[u8], file: File) {
    let _ = zip::verify(&file, &ZipLimits::default(), |_| {});
    let file: Arc<dyn ZipBytes> = Arc::new(file);
    let mut unpacker = Unpacker::new(Arc::clone(&file));
    let mut members = HashMap::new();
    if let Ok(mut archive) = Archive::open(file)
        && let Ok(mut walk) = archive.members(&ZipLimits::default())
    {
        while let Ok(Some(member)) = walk.next_member() {
            let mut content = Vec::new();
            members.remove(&member.name);
            if let Ok(data) = walk.locate(&member)
                && data.size() <= COMPARED
                && read_to_end(&mut unpacker, data, &mut content).is_ok()
            {
                // If several members have one name, the crate `zip` returns only the last of them.
                members.insert(member.name, content);
            }
        }
    }
    let Ok(mut other) = ::zip::ZipArchive::new(Cursor::new(bytes)) else {
        return;
    };
    for (name, content) in members {
        let mut theirs = Vec::new();
        if let Ok(member) = other.by_name(&name)
            && member.take(COMPARED + 1).read_to_end(&mut theirs).is_ok()
        {
            assert!(content == theirs, "{name:?}");
        }
    }
}

fn read_to_end(
    unpacker: &mut Unpacker,
    data: zip::MemberData,
    content: &mut Vec<u8>,
) -> Result<(), zip::ArchiveError> {
    let mut contents = unpacker.open(data);
    let mut block = [0; 4096];
    loop {
        match contents.read(&mut block)? {
            0 => return Ok(()),
            count => content.extend(&block[..count]),
        }
    }
}
