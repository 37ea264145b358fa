#!/usr/bin/env bash
# Follows an event stream with curl, and prints each event as a line of JSON. The data must be JSON without a line end.
# Usage: curl.sh URL KEY
set -euo pipefail

url=$1 key=$2 pause=3 last='' status=''

# An event counts once its blank line has come: what is cut off is not there.
read_events() {
    local line id='' type='' data=''
    while IFS= read -r line; do
        case $line in
        'id: '*) id=${line#id: } ;;
        'event: '*) type=${line#event: } ;;
        'data: '*) data=${line#data: } ;;
        'retry: '*) pause=$((${line#retry: } / 1000)) ;;
        'status '*) status=${line#status } ;;
        '')
            [ -z "$id" ] || last=$id
            [ -z "$data" ] || printf '{"type":"%s","id":"%s","data":%s}\n' "$type" "$last" "$(quote "$data")"
            id='' type='' data=''
            ;;
        esac
    done
}

# As a string of JSON.
quote() {
    local text=${1//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}

until [ "$status" = 204 ]; do
    # curl fails when the line is cut. Its own line then ends the one that was cut, which is no event.
    read_events < <(curl -sN -H "authorization: Bearer $key" -H "last-event-id: $last" -w 'status %{http_code}\n' "$url" || true)
    case $status in
    204) ;;
    4*) exit 1 ;;
    *) sleep "$pause" ;;
    esac
done
