// Keys that clients of the other gateway needed. They are not copied: ours are made by `key create`, as digests.
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'

/** The peer's user is checked before a byte is read, and so before a key. */
const admission =
  'a key alone admits nobody but the user that runs the gateway: list the other Unix users of this machine, access: { allowed_users: [self, ann] }, or all of them, access: { allowed_users: any }'

/** What asked for a key goes on asking for one. */
export function requireKeys(from: Foreign, draft: Draft): void {
  const texts = [from.value].flat().filter((each) => typeof each === 'string')
  for (const text of texts) draft.withhold(text)
  from.take()
  draft.config.keys = { mode: 'required' }
  draft.changed(
    from,
    ['keys'],
    'every call needs a key here too, but one made by llm-gateway: keys of the other gateway are not valid',
  )
  draft.errand('Clients need a key of the gateway; only a digest of it is kept.', 'key create NAME')
  draft.notes.push({ kind: 'changed', from: from.path, to: ['keys'], text: admission })
  draft.errand(`Let others in: ${admission}.`)
}
