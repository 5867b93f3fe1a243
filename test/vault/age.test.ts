import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { fc } from '../support/properties.ts'

import { decrypt, encrypt, generateIdentity, isRecipient, recipientOf } from '../../src/vault/age.ts'
import { readSources } from '../support/imports.ts'

const [one, two, stranger] = [await generateIdentity(), await generateIdentity(), await generateIdentity()]
const recipients = [(await recipientOf(one))!, (await recipientOf(two))!]
const file = Buffer.from(await encrypt('sk-stored', recipients))

test('each of the identities alone opens a file, and no other', async () => {
  assert.deepEqual(await decrypt(file, [one]), { kind: 'opened', value: 'sk-stored' })
  assert.deepEqual(await decrypt(file, [stranger, two]), { kind: 'opened', value: 'sk-stored' })
  assert.deepEqual(await decrypt(file, [stranger]), { kind: 'for_others' })
})

test('every value comes back as it was', async () => {
  const values = fc.oneof(fc.string({ maxLength: 500 }), fc.string({ unit: 'grapheme', maxLength: 100 }))
  await fc.assert(
    fc.asyncProperty(values, async (value) => {
      const sealed = Buffer.from(await encrypt(value, recipients))
      assert.deepEqual(await decrypt(sealed, [two]), { kind: 'opened', value })
    }),
    { numRuns: 30 },
  )
})

test('a file that was changed or cut anywhere never opens as another value', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
      const changed = Buffer.from(file)
      changed[at]! ^= bits
      for (const damaged of [changed, file.subarray(0, at)]) {
        const decrypted = await decrypt(damaged, [one])
        // White space around the text form is ignored.
        if (decrypted.kind === 'opened') assert.equal(decrypted.value, 'sk-stored')
      }
    }),
    { numRuns: 60 },
  )
  for (const text of ['', 'sk-stored', '-----BEGIN AGE ENCRYPTED FILE-----\n']) {
    assert.deepEqual(await decrypt(Buffer.from(text), [one]), { kind: 'damaged' })
  }
})

test('a text that is not an identity or a recipient is recognised', async () => {
  assert.equal(await recipientOf('AGE-SECRET-KEY-1NOPE'), undefined)
  assert.equal(await recipientOf(''), undefined)
  assert.equal(await isRecipient(recipients[0]!), true)
  assert.equal(await isRecipient(recipients[0]!.slice(0, -1)), false)
  assert.equal(await isRecipient('ssh-ed25519 AAAA'), false)
})

test('the package is loaded when it is needed, not at the start', () => {
  const sources = readSources(join(import.meta.dirname, '../../src'))
  const imports = [...sources].flatMap(([file, text]) =>
    [...text.matchAll(/^.*['"]age-encryption['"].*$/gm)].map(([line]) => `${file}: ${line.trim()}`),
  )
  assert.deepEqual(imports, ["vault/age.ts: const loadAge = () => import('age-encryption')"])
})
