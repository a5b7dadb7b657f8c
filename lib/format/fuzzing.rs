//! Tables and archives, as the fuzzer sends them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use super::csv::Rows;
use super::zip::{self, Archive, Unpacker, ZipBytes, ZipLimits};

/// A row with a line end, by itself under the same header, has the same cells.
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

/// The largest member that is compared.
const COMPARED: u64 = 1 << 20;

/// A member of `file`, which holds `bytes`, that is read to its end has the bytes that the `zip`
/// crate reads.
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
                // Of members of one name the crate knows only the last.
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
