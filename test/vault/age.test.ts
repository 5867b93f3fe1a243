import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fc } from '../support/properties.ts'

import { decrypt, encrypt, generateIdentity, isRecipient, recipientOf } from '../../src/vault/age.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { readSources } from '../support/imports.ts'
import { missing } from '../support/needs.ts'

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

suite('the age program', { skip: missing('age', 'age-keygen') }, () => {
  test('opens what is stored here', (t) => {
    const folder = scratchDirectory(t)
    const [identity, stored] = [join(folder, 'identity'), join(folder, 'stored.age')]
    writeFileSync(identity, `# ours\n${two}\n`)
    writeFileSync(stored, file)
    assert.equal(execFileSync('age', ['-d', '-i', identity, stored], { encoding: 'utf8' }), 'sk-stored')
  })

  for (const form of [[], ['--armor']]) {
    test(`writes files that open here (${form[0] ?? 'binary'})`, async (t) => {
      const path = join(scratchDirectory(t), 'key')
      execFileSync('age-keygen', ['-o', path], { stdio: 'ignore' })
      const own = readFileSync(path, 'utf8')
        .split('\n')
        .find((line) => line.startsWith('AGE-SECRET-KEY-1'))!
      const made = execFileSync('age', [...form, '-r', (await recipientOf(own))!], { input: 'sk-other' })
      assert.deepEqual(await decrypt(made, [own]), { kind: 'opened', value: 'sk-other' })
    })
  }
})
