import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import { suite, test } from 'node:test'

import { createProgram } from '../../src/cli/program.ts'
import { errorTable } from '../../src/errors.ts'
import { outcomes } from '../../src/observe/outcome.ts'
import { remedyFor } from '../../src/observe/remedies.ts'

const place = { provider: 'local', model: 'qwen' }
const known = [...Object.keys(errorTable), ...outcomes]
const sentences = known.map((code) => remedyFor(code, place)).filter((text) => text !== undefined)

suite('what to do about a failure', () => {
  test('is a sentence for each fault of a provider', () => {
    for (const outcome of outcomes.filter((each) => each.startsWith('provider_'))) {
      assert.match(remedyFor(outcome, place)!, /^[A-Z].*\blocal\b.*\.$/, outcome)
      // A sentence with a gap helps nobody.
      assert.equal(remedyFor(outcome), undefined, outcome)
    }
    for (const sentence of sentences) assert.match(sentence, /^[A-Z][^{}]*\.$/)
  })

  test('is known by the code alone', () => {
    for (const name of ['constructor', '__proto__', 'no_such_code', ''])
      assert.equal(remedyFor(name, place), undefined)
  })

  test('names only commands that there are', async () => {
    const commands = new Set(
      sentences.flatMap((text) =>
        [...text.matchAll(/llm-gateway ((?:[a-z]+ ?)+)/g)].map(([, words]) => words!.trim()),
      ),
    )
    assert.ok(commands.size >= 6)
    const stream = new Writable({ write: (_, __, done) => done() })
    for (const command of commands) {
      // A sentence may go on behind the command.
      const words = command.split(' ')
      const isGroup = words[0] === 'key'
      const args = [...words.slice(0, isGroup ? 2 : 1), '--help']
      const status = await createProgram({ stdout: stream, stderr: stream, env: {} }).run(args)
      assert.equal(status, 0, command)
    }
  })

  test('names only keys of the configuration', () => {
    const docs = readFileSync(new URL('../../docs/config.md', import.meta.url), 'utf8')
    const keys = sentences.flatMap((text) =>
      [...text.matchAll(/\b([a-z]+_[a-z_]+)\b/g)].map(([, key]) => key!),
    )
    for (const key of new Set(keys)) assert.ok(docs.includes(key), key)
  })
})
