# Short names for what one does here; every line also works by hand.

# Every test.
test *args:
    ./run-tests {{args}}

# What has to hold before a change is taken.
ci:
    .ci/run

# The gateway of this folder's gateway.toml.
run *args:
    cargo run -- {{args}}

# Argus beside nginx and HAProxy, in one run (apt-get install nginx-light haproxy).
peers *args:
    cargo bench --bench peers -- {{args}}

# The made-up databases of geoip/, anew.
geoip:
    cargo run --example geoip

# Licences, sources and duplicates of what we depend on.
deny:
    cargo deny --offline check bans licenses sources
