// Which server a conversation belongs to.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { dialects } from '../../src/dialects/table.ts'
import type { ModelRequest } from '../../src/dialects/request.ts'
import type { Target } from '../../src/domain.ts'
import { affinityKeyOf, chooseTargets } from '../../src/routing/choose-targets.ts'
import { ProviderLoad } from '../../src/routing/load.ts'
import { TargetHealth } from '../../src/routing/target-health.ts'

const chat = [...dialects.keys()].find(({ name }) => name === 'chat')!

function request(messages?: readonly object[]): ModelRequest {
  const read = chat.readRequest({
    contentType: 'application/json',
    body: Buffer.from(JSON.stringify({ model: 'm', messages })),
  })
  assert.ok(!(read instanceof Error))
  return read
}

/** A conversation with a system prompt of some length, after so many turns. */
function conversation(number: number, turns: number): ModelRequest {
  const system = { role: 'system', content: `You are agent ${number}. ${'Be exact. '.repeat(60)}` }
  const turn = [
    { role: 'user', content: 'And then?' },
    { role: 'assistant', content: 'Nothing.' },
  ]
  return request([
    system,
    ...Array.from({ length: turns }, () => turn).flat(),
    { role: 'user', content: 'Go on.' },
  ])
}

function target(provider: string, weight = 1): Target {
  return { provider, model: 'm', tier: 1, weight }
}

/** The first choice among idle targets. */
function choose(targets: readonly Target[], asked: ModelRequest, chance = 0.5, isLocal = true): string {
  const facts = {
    isLocal: () => isLocal,
    health: new TargetHealth(),
    load: new ProviderLoad(),
    now: () => 0,
    chance: () => chance,
  }
  return chooseTargets(targets, affinityKeyOf(asked.promptPrefix), facts)[0]!.provider
}

const conversations = Array.from({ length: 600 }, (_, number) => number)
const abc = [target('a'), target('b'), target('c')]

test('a conversation stays with its server over its turns, whatever the chance', () => {
  for (const number of conversations) {
    const first = choose(abc, conversation(number, 0))
    for (const turns of [1, 2, 9]) assert.equal(choose(abc, conversation(number, turns), turns / 10), first)
  }
})

test('a server that goes moves its own conversations and no others', () => {
  const moved = { a: 0, b: 0 }
  for (const number of conversations) {
    const before = choose(abc, conversation(number, 1))
    const after = choose(abc.slice(0, 2), conversation(number, 1))
    if (before === 'c') moved[after as 'a'] += 1
    else assert.equal(after, before)
  }
  for (const count of Object.values(moved)) assert.ok(count > 60 && count < 140, `${count}`)
})

test('conversations spread over servers by weight', () => {
  const counts: Record<string, number> = { a: 0, b: 0 }
  for (const number of conversations)
    counts[choose([target('a', 3), target('b')], conversation(number, 1))]! += 1
  assert.ok(counts['a']! > 400 && counts['a']! < 500, `${counts['a']} of 600 instead of 450`)
})

test('calls to clouds, and calls without a prompt, follow chance', () => {
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 }
  const silent = request()
  for (let roll = 0; roll < 30; roll++) {
    counts[choose(abc, conversation(1, 1), roll / 30, false)]! += 1
    counts[choose(abc, silent, roll / 30)]! += 1
  }
  assert.deepEqual(counts, { a: 20, b: 20, c: 20 })
})
