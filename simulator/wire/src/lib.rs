//! What several rooms speak: Mender artifacts, thin HTTP
