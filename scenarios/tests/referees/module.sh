#!/bin/sh
# The update module of the referees: `fleetproof-hil STATE FOLDER`. It writes every state down, waits until the test has looked at
# the platform and lets it go on, and then does what the payload asks for, a wish per line: `fail STATE`, `reboot`, `no rollback`.
set -eu
state=$1
wishes=$2/files/wishes

[ "$state" != ProvidePayloadFileSizes ] || exit 0
echo "$state" >>"$FLEETPROOF_HIL/trace"
number=$(wc -l <"$FLEETPROOF_HIL/trace")
until [ -e "$FLEETPROOF_HIL/go-$number" ]; do
    # A test that is gone lets nobody go on.
    [ -d "$FLEETPROOF_HIL" ] || exit 1
    sleep 0.02
done

wish() { [ -e "$wishes" ] && grep -q -x "$1" "$wishes"; }
case $state in
    NeedsArtifactReboot) if wish reboot; then echo Yes; else echo No; fi ;;
    SupportsRollback) if wish 'no rollback'; then echo No; else echo Yes; fi ;;
esac
if wish "fail $state"; then exit 1; fi
