//! Shows what is wrong with files.
fn main() {
    let mut sources = fleetproof_language::Sources::new();
    let files: Vec<_> =
        std::env::args().skip(1).map(|path| sources.add_bytes(&path, std::fs::read(&path).unwrap())).collect();
    let (good, bad) = fleetproof_language::check(&sources, &files);
    for mistake in &bad {
        println!("{}\n", mistake.render(&sources));
    }
    println!("{} good, {} mistakes", good.len(), bad.len());
}
