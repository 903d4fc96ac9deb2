#!/bin/sh
# What `make demo` shows: pictures from the built-in mock, offline and without a key, in build/demo.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build/demo
cd build/demo
tool=../tarash-image

show() {
    printf '\n$ tarash-image'
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./=:,-]*) printf " '%s'" "$word" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$tool" "$@"
}

show --mock -o 'square.{ext}' 'a lighthouse in fog'
show --mock --size 1536x1024 -o 'landscape.{ext}' 'a harbour at dawn'
show --mock=polling,delay=200 -n 4 --seed 7 -o 'four-{index}.{ext}' 'a fox, in four moods'
echo
echo 'The first provider answers 503, the second draws:'
show --provider openai --mock=HTTP:503 --max-retries 0 --fallback xai -o 'fallback.{ext}' --json 'a bridge of glass'
echo
echo 'What would be sent to a real one, without sending it:'
OPENAI_API_KEY=${OPENAI_API_KEY:-no-key-needed-for-a-plan}
export OPENAI_API_KEY
show --provider openai --model dall-e-3 --aspect-ratio 16:9 --plan 'a bridge of glass'

cat <<END

The pictures are in $(pwd):
$(ls -1 -- *.png)

For a real one, put your key in the environment and name the provider:

    OPENAI_API_KEY=...  build/tarash-image --provider openai -o lighthouse.png 'a lighthouse in fog'

    build/tarash-image --list-providers    shows the others, and the variable that each reads
END
