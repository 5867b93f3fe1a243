import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import { FreeNames } from '../../../src/cli/import/free-names.ts'
import { importText } from './import-scene.ts'
import { Withheld } from '../../../src/cli/import/withheld.ts'

const withheld = (...texts: string[]) => {
  const all = new Withheld()
  for (const text of texts) all.add(text)
  return all
}

test('a credential is masked wherever it stands, the longest of those that begin there', () => {
  const all = withheld('hunter2hunter2', 'hunter2hunter2-more', 'Zq9!Zq9!')
  assert.equal(all.maskedIn('a hunter2hunter2-more, hunter2hunter2 and Zq9!Zq9!Zq9!Zq9!.'), 'a …, … and …….')
  assert.ok(all.isIn('xhunter2hunter2x'))
  assert.ok(!all.isIn('hunter2hunter'))
  assert.equal(all.maskedIn('nothing of it'), 'nothing of it')
})

test('what occurs in ordinary text is not searched for', () => {
  const all = withheld('short1', 'ordinary words', 'sk-no-key-required', '')
  assert.equal(
    all.maskedIn('short1, ordinary words, sk-no-key-required'),
    'short1, ordinary words, sk-no-key-required',
  )
})

test('no credential is left in a text', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '1', '-'), minLength: 6, maxLength: 14 })
  fc.assert(
    fc.property(
      fc.array(letters, { maxLength: 6 }),
      fc.array(letters, { maxLength: 6 }),
      (secrets, others) => {
        const all = withheld(...secrets)
        const text = [...others, ...secrets].join('.')
        const found = secrets.filter((secret) => withheld(secret).isIn(secret))
        const masked = all.maskedIn(text)
        for (const secret of found) assert.ok(!masked.includes(secret), `${secret} in ${masked}`)
        assert.equal(all.isIn(text), found.length > 0)
      },
    ),
  )
})

test('names are counted on, past those that are taken', () => {
  const names = new FreeNames()
  const take = (wanted: string) => names.take(wanted, '-', (name) => name === 'b-2')
  assert.deepEqual(['a', 'a', 'a-2', 'a', 'b', 'b'].map(take), ['a', 'a-2', 'a-2-2', 'a-3', 'b', 'b-3'])
})

test('a command that is left out takes its settings along, whose keys are withheld all the same', (t) => {
  const { text } = importText(
    t,
    `models:
  kept:
    cmd: llama-server --port \${PORT}
    aliases: [plainvalue123]
  lost:
    cmd: /usr/bin/env HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyz0123 llama-server --port \${PORT}
    env: [LLAMA_API_KEY=plainvalue123]
    ttl: 60
`,
  )
  assert.match(text, /left out: models\.lost\.cmd \(it is no command/)
  for (const key of ['env', 'ttl'])
    assert.ok(
      text.includes(`left out: models.lost.${key} (it belongs to the command, which was left out)\n`),
      text,
    )
  assert.doesNotMatch(text, /plainvalue123/)
})
