import assert from 'node:assert/strict'
import { test } from 'node:test'

import { generateIdentity, recipientOf } from '../../src/vault/age.ts'
import { type Identity, parseIdentities, renderIdentities } from '../../src/vault/identities.ts'
import {
  parseRecipients,
  type Recipient,
  renderRecipients,
  withRecipient,
} from '../../src/vault/recipients.ts'

async function identity(role: Identity['role'] = 'kept'): Promise<Identity> {
  const key = await generateIdentity()
  return { key, recipient: (await recipientOf(key))!, role }
}

test('an identity file is read as it was written, with the roles during a replacement', async () => {
  const identities = [await identity('new'), await identity('old'), await identity()]
  assert.deepEqual(await parseIdentities(renderIdentities(identities)), { kind: 'parsed', identities })
})

test('a fault of an identity file names its line and nothing of what is in it', async () => {
  const { key } = await identity()
  const mistyped = key.slice(0, -1) + (key.endsWith('Q') ? 'P' : 'Q')
  const parsed = await parseIdentities(`# comment\n${key}\n\n${mistyped}\n`)
  assert.deepEqual(parsed, {
    kind: 'faulty',
    message: 'has no age identity (AGE-SECRET-KEY-1…) in line 4',
  })
  assert.equal((await parseIdentities('# only a comment\n')).kind, 'faulty')
})

test('recipients keep their roles, and those that people have added', async () => {
  const [own, paper, added, next] = await Promise.all([identity(), identity(), identity(), identity()])
  const recipients: Recipient[] = [
    { recipient: own.recipient, role: 'identity' },
    { recipient: paper.recipient, role: 'recovery' },
    { recipient: added.recipient, role: 'other' },
  ]
  const text = renderRecipients(recipients)
  assert.deepEqual(await parseRecipients(text), { kind: 'parsed', recipients })
  assert.deepEqual(withRecipient(recipients, 'identity', next.recipient), [
    { recipient: next.recipient, role: 'identity' },
    ...recipients.slice(1),
  ])
  assert.deepEqual(withRecipient(recipients, 'recovery', next.recipient), [
    recipients[0],
    { recipient: next.recipient, role: 'recovery' },
    recipients[2],
  ])
  const faulty = await parseRecipients(`${text}age1nobody\n`)
  assert.deepEqual(faulty, { kind: 'faulty', message: 'has no age recipient (age1…) in line 9' })
})
