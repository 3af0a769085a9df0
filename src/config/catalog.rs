//! The catalogue: a file of its own for models, beside the configuration that names it.

use std::path::{Path, PathBuf};

use super::tree::{Node, Section};
use super::{FILE_BYTES_MAX, read_file};

/// What the file has in it.
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// Reads the file that `catalog` names; `None` where none is named, or it can't be read.
pub(super) fn written(root: &mut Section<'_>) -> Option<Written> {
    let node = root.get("catalog")?;
    let path = node.path()?;
    let text = text(&node, &path)?;
    Some(Written { path, text })
}

fn text(node: &Node<'_>, path: &Path) -> Option<String> {
    match read_file(path) {
        Ok(text) if text.len() as u64 <= FILE_BYTES_MAX => return Some(text),
        Ok(_) => node.fault(format!("{} is longer than 4 MiB: shorten it", node.shown())),
        Err(error) => node.fault(format!("{} can't be read: {error}", node.shown())),
    }
    None
}
