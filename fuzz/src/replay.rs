//! The corpus, which is small and kept beside the targets.

use std::fs;
use std::path::Path;

/// Feeds each target with every file of its corpus.
#[allow(unreachable_pub, reason = "a test has it in a module of its own")]
pub fn all(targets: &[(&str, impl Fn(&[u8]))]) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in targets {
        let files = fs::read_dir(corpus.join(name));
        let files = files.unwrap_or_else(|error| panic!("no corpus of {name}: {error}"));
        let mut seen = 0;
        for file in files {
            let path = file.expect("a readable entry").path();
            let data = fs::read(&path).expect("a readable file");
            // Seen when the target fails.
            println!("{}", path.display());
            target(&data);
            seen += 1;
        }
        assert!(seen > 0, "the corpus of {name} is empty");
    }
}
