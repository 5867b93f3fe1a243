// Files of secrets, to and from the program `age`.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { decrypt, encrypt, generateIdentity, recipientOf } from '../../src/vault/age.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { missing } from '../support/needs.ts'

suite('the age program', { skip: missing('age', 'age-keygen') }, () => {
  test('opens what is stored here', async (t) => {
    const [one, two] = [await generateIdentity(), await generateIdentity()]
    const recipients = [(await recipientOf(one))!, (await recipientOf(two))!]
    const folder = scratchDirectory(t)
    const [identity, stored] = [join(folder, 'identity'), join(folder, 'stored.age')]
    writeFileSync(identity, `# ours\n${two}\n`)
    writeFileSync(stored, await encrypt('sk-stored', recipients))
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
