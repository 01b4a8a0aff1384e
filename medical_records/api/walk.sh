#!/usr/bin/env bash
# A walk through the API: shows each request, as a command of curl, and its answer. Requires bash, curl, python3, and a server
# with the demo:
#
#   python manage.py load_demo && python manage.py runserver
#   bash medical_records/api/walk.sh [http://127.0.0.1:8000]
#
# It leaves one record with a photo there. DEMO_EMAIL and DEMO_PASSWORD name another login.
set -euo pipefail

API=${1:-http://127.0.0.1:8000}/api
EMAIL=${DEMO_EMAIL:-amara@harbour.example}
PASSWORD=${DEMO_PASSWORD:-correct-horse-battery}
# How many lines of an answer are shown.
SHOWN=24

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# call STATUS METHOD PATH [OPTIONS OF CURL]: sends a request, shows it and its answer, and ends the walk unless that has STATUS.
# $etag is that of the answer.
call() {
    local expected=$1 method=$2 path=$3 status
    shift 3
    printf '\n$ curl -X %s "$API%s"%s%s\n' "$method" "$path" "${TOKEN:+ -H \"\$AUTH\"}" "$(quoted "$@")"
    status=$(curl --silent --show-error --request "$method" "$API$path" --header "Authorization: Bearer ${TOKEN:-none}" "$@" \
        --dump-header "$folder/headers" --output "$folder/body" --write-out '%{http_code}') ||
        fail "No answer from $API. Start the server there: python manage.py runserver"
    show
    etag=$(header etag)
    [ "$status" = "$expected" ] || fail "Expected the status $expected, found $status."
}

quoted() {
    local option
    for option in "$@"; do
        case $option in
        -*) printf ' %s' "$option" ;;
        *) printf " '%s'" "$option" ;;
        esac
    done
}

# Shows the answer: its status, the headers that matter, and the first lines of its body.
show() {
    head -n 1 "$folder/headers"
    grep -iE '^(content-type|etag|location|idempotent-replayed):' "$folder/headers" || true
    python3 -X utf8 - "$folder/body" "$SHOWN" <<'PYTHON'
import json
import pathlib
import sys

body, limit = pathlib.Path(sys.argv[1]).read_bytes(), int(sys.argv[2])
try:
    lines = json.dumps(json.loads(body), indent=2, ensure_ascii=False).splitlines()
except ValueError:
    lines = [f"({len(body)} bytes)"] if body else []
if len(lines) > limit + 2:
    lines[limit:] = [f"  … and {len(lines) - limit} more lines"]
print("".join(f"{line}\n" for line in lines), end="")
PYTHON
}

header() {
    tr -d '\r' <"$folder/headers" | grep -i "^$1:" | sed 's/^[^:]*: *//' || true
}

# answer KEY…: what the answer's JSON has there: `answer results 0 id`.
answer() {
    python3 -X utf8 -c '
import json, pathlib, sys
value = json.loads(pathlib.Path(sys.argv[1]).read_bytes())
for key in sys.argv[2:]:
    value = value[int(key) if isinstance(value, list) else key]
print(value)' "$folder/body" "$@"
}

step() {
    printf '\n# %s\n' "$1"
}

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

printf 'API=%s\n' "$API"
JSON=(-H 'Content-Type: application/json')

step "Log in. The demo's login is printed by: python manage.py load_demo"
call 200 POST /auth/login "${JSON[@]}" -d "{\"email\": \"$EMAIL\", \"password\": \"$PASSWORD\"}"
TOKEN=$(answer token)
printf 'AUTH="Authorization: Bearer %s"\n' "$TOKEN"

step 'Find a template to fill in, and the patient of the newest record'
call 200 GET '/clinic/medical-record-templates?search=general'
template=$(answer results 0 id)
# Its two required fields:
reason=$(answer results 0 fields 0 id)
plan=$(answer results 0 fields 7 id)
call 200 GET '/clinic/medical-records?page_size=1'
patient=$(answer results 0 patient_id)

step 'Fill it in. The same Idempotency-Key again is answered with the same record: nothing is made twice'
key=$(python3 -c 'import uuid; print(uuid.uuid4())')
for _ in 1 2; do
    call 201 POST "/clinic/patients/$patient/medical-records" "${JSON[@]}" -H "Idempotency-Key: $key" \
        -d "{\"template_id\": $template, \"values\": {\"$reason\": \"Headache\"}}"
done
record=/clinic/medical-records/$(answer id)

step 'Change it. If-Match names the version that was read; once it is stale, the answer says what is there now'
first=$etag
change="{\"values\": {\"$reason\": \"Headache\", \"$plan\": \"Rest\"}}"
call 200 PATCH "$record" "${JSON[@]}" -H "If-Match: $first" -d "$change"
call 412 PATCH "$record" "${JSON[@]}" -H "If-Match: $first" -d "$change"

step 'Upload a photo for it, pending until the record is saved with it, and save the record with it'
python3 -c 'import base64, sys; sys.stdout.buffer.write(base64.b64decode(sys.argv[1]))' >"$folder/knee.png" \
    iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mPY1ZKCFTEMLQkA6qBogT3lyDoAAAAASUVORK5CYII=
call 200 GET "$record"
current=$etag
call 201 POST /clinic/patient-photos -F "patient_id=$patient" -F "medical_record_id=${record##*/}" \
    -F "file=@$folder/knee.png"
photo=$(answer id)
call 200 PATCH "$record" "${JSON[@]}" -H "If-Match: $current" -d "{\"photo_ids\": [$photo]}"
call 200 GET "/clinic/patient-photos?patient_id=$patient&page_size=1"
call 200 GET "/clinic/patient-photos/$photo/file"

step 'Sign it. What is signed is changed by an amendment alone, which says why and makes a version that is not signed'
call 200 GET "$record"
call 200 POST "$record/sign" "${JSON[@]}" -H "If-Match: $etag" -d '{}'
signed=$etag
call 409 PATCH "$record" "${JSON[@]}" -H "If-Match: $signed" -d "$change"
amendment="{\"values\": {\"$reason\": \"Migraine\", \"$plan\": \"Rest\"}, \"amendment_reason\": \"It is a migraine\"}"
call 200 PATCH "$record" "${JSON[@]}" -H "If-Match: $signed" -d "$amendment"

step 'See who changed it, when, and what was there before; and the record as it was made'
call 200 GET "$record/history?page_size=2"
call 200 GET "$record/history/1"

step 'Put the record into the trash, with its photo, and take it out again'
call 200 GET "$record"
call 204 DELETE "$record" -H "If-Match: $etag"
call 200 GET "$record"
call 200 POST "$record/restore" -H "If-Match: $etag"

step 'Log out. The token is worth nothing then'
call 204 POST /auth/logout
call 401 GET /auth/me
printf '\nThat was the walk. All endpoints: %s/docs\n' "$API"
