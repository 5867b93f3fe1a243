// The commands `key …`, as somebody types them: what they print, what they write, how they end.
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { parseKeyFile } from '../../src/clients/keys/key-file.ts'
import { createKey, digestOf } from '../../src/clients/keys/key-format.ts'
import type { KeyRecord } from '../../src/clients/keys/key-record.ts'
import { formatKeysState } from '../../src/clients/keys/keys-state.ts'
import { openControl } from '../../src/server/control/control-server.ts'
import { holdLock } from '../../src/platform/process-lock.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { findKey } from '../support/key-forms.ts'
import { type EndedCommand, runCommand } from '../support/run-command.ts'

const yaml = `
server: { hosts: [127.0.0.1], port: 1 }
providers: { echo: { kind: echo } }
models: { echo: { provider: echo } }
`

interface Desk {
  readonly folder: string
  /** Runs `key …` with the configuration of this folder. */
  key(...args: readonly string[]): Promise<EndedCommand>
  /** The same with this text on standard input. */
  keyWith(input: string, ...args: readonly string[]): Promise<EndedCommand>
  keys(): readonly KeyRecord[]
  record(name: string): KeyRecord
  generation(): number
}

/** A folder with a configuration, and a home of its own. */
function desk(t: TestContext, more = ''): Desk {
  const folder = scratchDirectory(t)
  const config = join(folder, 'llm-gateway.yaml')
  writeFileSync(config, yaml + more, { mode: 0o600 })
  const env = { HOME: folder, STATE_DIRECTORY: folder, PATH: '' }
  const keyWith = (input: string, ...args: readonly string[]) =>
    runCommand(['key', ...args, '--config', config], { env, input })
  const file = () => {
    const parsed = parseKeyFile(readFileSync(join(folder, 'keys.json'), 'utf8'))
    assert.ok(parsed.kind === 'parsed')
    return parsed.file
  }
  return {
    folder,
    key: (...args) => keyWith('', ...args),
    keyWith,
    keys: () => file().keys,
    record(name) {
      const key = file().keys.find((each) => each.name === name)
      assert.ok(key !== undefined, name)
      return key
    },
    generation: () => file().generation,
  }
}

async function created(at: Desk, ...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await at.key('create', ...args)
  assert.equal(status, 0, stderr)
  return stdout.trim()
}

suite('key create', () => {
  test('prints the key once, alone on standard output, and keeps its digest', async (t) => {
    const at = desk(t)
    const { status, stdout, stderr } = await at.key('create', 'ann', '--models', 'qwen*, gpt', '--rpm', '60')

    assert.equal(status, 0)
    assert.match(stdout, /^gw_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\n$/)
    assert.match(stderr, /Created the key "ann" \(k_[0-9A-Za-z]{12}\)\. It is shown this once\./)
    const text = stdout.trim()
    const record = at.record('ann')
    assert.deepEqual(record.terms, { name: 'ann', models: ['qwen*', 'gpt'], rpm: 60, budgets: [] })
    assert.deepEqual(
      record.secrets.map(({ sha256 }) => sha256),
      [digestOf(text)],
    )
    assert.deepEqual(findKey(stderr + readFileSync(join(at.folder, 'keys.json'), 'utf8'), text.slice(16)), [])
    assert.deepEqual(readdirSync(at.folder).toSorted(), ['keys.json', 'llm-gateway.yaml'])
  })

  test('writes it to a file of its own with --to', async (t) => {
    const at = desk(t)
    const to = join(at.folder, 'ann.key')
    const { status, stdout, stderr } = await at.key('create', 'ann', '--to', to)

    assert.equal(status, 0, stderr)
    assert.match(stdout, /It is in .*ann\.key, which only you may read/)
    assert.doesNotMatch(stdout + stderr, /gw_\w/)
    assert.deepEqual(at.record('ann').secrets[0]!.sha256, digestOf(readFileSync(to, 'utf8').trim()))
    assert.equal(statSync(to).mode & 0o777, 0o600)

    const again = await at.key('create', 'bob', '--to', to)
    assert.equal(again.status, 1)
    assert.match(again.stderr, /is there already/)
    assert.equal(at.keys().length, 1)
  })

  test('leaves no file with a key that was not created', async (t) => {
    const at = desk(t)
    await created(at, 'ann')
    const to = join(at.folder, 'ann.key')
    const { status, stderr } = await at.key('create', 'ann', '--to', to)

    assert.equal(status, 1)
    assert.match(stderr, /there is a key "ann" already/)
    assert.equal(existsSync(to), false)
    assert.equal(at.generation(), 1)
  })

  test('takes a length, and moments in UTC', async (t) => {
    const at = desk(t)
    const text = await created(
      at,
      'ann',
      '--length',
      '64',
      '--expires',
      '2099-01-31',
      '--not-before',
      '2098-01-31T18:00Z',
    )
    assert.equal(text.length, 3 + 12 + 1 + 64 + 6)
    const { expiresMs, notBeforeMs } = at.record('ann')
    assert.equal(expiresMs, Date.UTC(2099, 0, 31))
    assert.equal(notBeforeMs, Date.UTC(2098, 0, 31, 18))
  })

  test('lets it expire after exactly the duration', async (t) => {
    const at = desk(t)
    await created(at, 'ann', '--expires', '90d')
    const { expiresMs, secrets } = at.record('ann')
    assert.equal(expiresMs! - secrets[0]!.createdMs, 90 * 86_400_000)
  })

  const wrong: readonly (readonly [what: string, args: readonly string[], expected: RegExp])[] = [
    ['a limit of words', ['ann', '--rpm', 'many'], /--rpm must be a whole number/],
    ['a limit of 0', ['ann', '--tpm', '0'], /--tpm must be a whole number/],
    ['30 February', ['ann', '--expires', '2027-02-30'], /--expires must be/],
    ['months', ['ann', '--expires', '1mo'], /--expires must be/],
    ['a short key', ['ann', '--length', '31'], /--length must be a whole number from 32 to 128/],
    ['a long key', ['ann', '--length', '129'], /--length/],
    ['a pattern amid', ['ann', '--models', 'a*b'], /--models/],
    ['no model', ['ann', '--models', ','], /--models must name/],
    ['a prefix in capitals', ['ann', '--prefix', 'GW_'], /--prefix must be/],
    ['a budget without a period', ['ann', '--budget', '5usd'], /--budget must be an amount and a period/],
    ['a name with a space', ['a b'], /name of a key must be/],
    ['a name like an option', ['-x'], /unknown option/],
    ['the name of the master key', ['master'], /key master set/],
    ['no name', [], /missing required argument/],
    ['two names', ['a', 'b'], /too many arguments/],
  ]
  for (const [what, args, expected] of wrong) {
    test(`refuses ${what} with status 2, and writes nothing`, async (t) => {
      const at = desk(t)
      const { status, stdout, stderr } = await at.key('create', ...args)
      assert.equal(status, 2)
      assert.equal(stdout, '')
      assert.match(stderr, expected)
      assert.deepEqual(readdirSync(at.folder), ['llm-gateway.yaml'])
    })
  }

  test('refuses a prefix that the configuration does not have, and uses the one that it has', async (t) => {
    const at = desk(t, 'keys: { prefix: team_ }\n')
    const { status, stderr } = await at.key('create', 'ann', '--prefix', 'gw_')
    assert.equal(status, 1)
    assert.match(stderr, /keys begin with team_; .*keys: \{ prefix: gw_ \}/)
    assert.match(await created(at, 'ann'), /^team_/)
  })

  test('writes the file that the configuration names', async (t) => {
    const at = desk(t, 'keys: { file: team/of-team.json }\n')
    const refused = await at.key('create', 'ann')
    assert.equal(refused.status, 0, refused.stderr)
    assert.ok(existsSync(join(at.folder, 'team/of-team.json')))
  })

  test('needs a configuration', async (t) => {
    const home = scratchDirectory(t)
    const { status, stderr } = await runCommand(['key', 'create', 'ann', '-c', join(home, 'none.yaml')])
    assert.equal(status, 1)
    assert.match(stderr, /none\.yaml: there is no such file/)
  })
})

suite('a key that was typed in the wrong place', () => {
  const { text } = createKey('gw_', 43)
  const places: readonly (readonly string[])[] = [
    [text],
    ['create', text],
    ['create', 'ann', text],
    ['create', 'ann', '--rpm', text],
    ['create', 'ann', '--prefix', text],
    ['create', 'ann', `--${text}`],
    ['show', text],
    ['show', text.slice(0, 30)],
    ['set', text, '--rpm', '5'],
    ['rotate', text],
    ['revoke', text],
    ['revoke', 'ann', '--secret', text],
    ['disable', text],
    ['delete', text],
    ['check', text],
    ['master', text],
    ['master', 'set', text],
  ]
  for (const args of places) {
    test(`is not printed: ${args.map((arg) => arg.replace(text, 'KEY')).join(' ')}`, async (t) => {
      const at = desk(t)
      await created(at, 'bob')
      const { status, stdout, stderr } = await at.key(...args)
      assert.notEqual(status, 0)
      assert.deepEqual(findKey(stdout + stderr, text.slice(16)), [])
      assert.ok(!(stdout + stderr).includes(text.slice(0, 24)), stderr)
    })
  }
})

suite('key set', () => {
  test('changes what is mentioned, and keeps the rest', async (t) => {
    const at = desk(t)
    await created(at, 'ann', '--models', 'a', '--rpm', '5', '--tpm', '7', '--expires', '90d', '--note', 'x')
    const before = at.record('ann')
    const { status, stdout } = await at.key('set', 'ann', '--rpm', 'none', '--parallel', '2', '--routes')

    assert.equal(status, 0)
    assert.match(stdout, /"ann" may use a, with 7 tpm, 2 parallel\./)
    const { rpm: _, ...terms } = before.terms
    assert.deepEqual(at.record('ann'), {
      ...before,
      terms: { ...terms, maxParallelRequests: 2, routes: true },
    })

    await at.key('set', 'ann', '--models', 'any', '--expires', 'never', '--no-routes', '--note', '')
    const after = at.record('ann')
    assert.equal(after.terms.models, undefined)
    assert.equal(after.terms.routes, false)
    assert.equal('expiresMs' in after, false)
    assert.equal(after.note, '')
    assert.equal(at.generation(), 3)
  })

  test('sets a boundary, and takes it away again', async (t) => {
    const at = desk(t)
    await created(at, 'ann', '--boundary', 'local')
    assert.equal(at.record('ann').terms.boundary, 'local')
    assert.match((await at.key('show', 'ann')).stdout, /^boundary +local$/m)
    await at.key('set', 'ann', '--rpm', '5')
    assert.equal(at.record('ann').terms.boundary, 'local')
    await at.key('set', 'ann', '--boundary', 'any')
    assert.equal('boundary' in at.record('ann').terms, false)
    const { status, stderr } = await at.key('set', 'ann', '--boundary', 'lan')
    assert.equal(status, 2)
    assert.match(stderr, /--boundary must be local, private or any/)
  })

  test('wants to know what to change, and suggests a name', async (t) => {
    const at = desk(t)
    await created(at, 'ann-laptop')
    assert.equal((await at.key('set', 'ann-laptop')).status, 2)
    const { status, stderr } = await at.key('set', 'ann-latop', '--rpm', '5')
    assert.equal(status, 1)
    assert.match(stderr, /there is no key "ann-latop"; did you mean "ann-laptop"\?/)
  })
})

suite('key rotate', () => {
  test('gives a second secret under the same id, and ends the first after the grace', async (t) => {
    const at = desk(t)
    const first = await created(at, 'ann', '--rpm', '5')
    const before = at.record('ann')
    const { status, stdout, stderr } = await at.key('rotate', 'ann', '--grace', '2h')

    assert.equal(status, 0, stderr)
    const after = at.record('ann')
    assert.equal(after.id, before.id)
    assert.deepEqual(after.terms, before.terms)
    const [old, fresh] = after.secrets
    assert.equal(old!.untilMs, fresh!.createdMs + 2 * 3_600_000)
    assert.deepEqual(fresh!.sha256, digestOf(stdout.trim()))
    assert.match(stderr, new RegExp(`Secret ${old!.id} is valid until .* UTC; the new one is ${fresh!.id}`))
    for (const text of [first, stdout]) assert.equal((await at.keyWith(text, 'check')).status, 0)
  })

  test('refuses a third secret, and with --grace 0 ends both', async (t) => {
    const at = desk(t)
    const first = await created(at, 'ann')
    const second = (await at.key('rotate', 'ann')).stdout
    const refused = await at.key('rotate', 'ann')
    assert.equal(refused.status, 1)
    assert.equal(refused.stdout, '')
    assert.match(refused.stderr, /two valid secrets already/)

    const third = (await at.key('rotate', 'ann', '--grace', '0')).stdout
    assert.equal(at.record('ann').secrets.length, 1)
    const statuses = await Promise.all([first, second, third].map((text) => at.keyWith(text, 'check')))
    assert.deepEqual(
      statuses.map(({ status }) => status),
      [1, 1, 0],
    )
  })

  test('says so when no secret of the key is accepted', async (t) => {
    const at = desk(t)
    await created(at, 'ann')
    await at.key('disable', 'ann')
    const { status, stderr } = await at.key('rotate', 'ann')
    assert.equal(status, 0)
    assert.match(stderr, /The key is disabled: no secret of it is accepted\./)
  })
})

suite('the end of a key', () => {
  test('disable and enable', async (t) => {
    const at = desk(t)
    const text = await created(at, 'ann')
    assert.match((await at.key('disable', 'ann')).stdout, /"ann" is disabled\./)
    const refused = await at.keyWith(text, 'check')
    assert.equal(refused.status, 1)
    assert.match(refused.stdout, /The key of "ann" .*: it is disabled/)
    await at.key('disable', 'ann')
    assert.equal(at.generation(), 2)
    await at.key('enable', 'ann')
    assert.equal((await at.keyWith(text, 'check')).status, 0)
  })

  test('revoke takes all secrets, or one, and can be repeated', async (t) => {
    const at = desk(t)
    const first = await created(at, 'ann')
    const second = (await at.key('rotate', 'ann')).stdout
    const { id } = at.record('ann').secrets[0]!

    const one = await at.key('revoke', 'ann', '--secret', id)
    assert.match(one.stdout, /"ann" is revoked: 1 secret; the other one stays valid\./)
    assert.equal((await at.keyWith(first, 'check')).status, 1)
    assert.equal((await at.keyWith(second, 'check')).status, 0)

    const unknown = await at.key('revoke', 'ann', '--secret', id)
    assert.equal(unknown.status, 1)
    assert.match(unknown.stderr, /has no secret .*; it has/)

    assert.match((await at.key('revoke', 'ann')).stdout, /the key has none left/)
    const generation = at.generation()
    const again = await at.key('revoke', 'ann')
    assert.equal(again.status, 0)
    assert.match(again.stdout, /was revoked before/)
    assert.equal(at.generation(), generation)
    assert.equal((await at.keyWith(second, 'check')).status, 1)
    assert.match((await at.key('list')).stdout, /^ann +revoked /m)
  })

  test('delete removes the record', async (t) => {
    const at = desk(t)
    await created(at, 'ann')
    await created(at, 'bob')
    assert.equal((await at.key('delete', 'ann')).status, 0)
    assert.deepEqual(
      at.keys().map(({ name }) => name),
      ['bob'],
    )
    assert.equal((await at.key('delete', 'ann')).status, 1)
  })
})

suite('the master key', () => {
  test('is generated with a length and a prefix', async (t) => {
    const at = desk(t)
    const { status, stdout, stderr } = await at.key(
      'master',
      'set',
      '--generate',
      '--length',
      '64',
      '--prefix',
      'gw_',
    )
    assert.equal(status, 0, stderr)
    assert.match(stdout, /^gw_[0-9A-Za-z]{12}_[0-9A-Za-z]{70}\n$/)
    assert.equal(at.record('master').role, 'master')
  })

  test('is replaced by set, and overlaps with rotate, under one record', async (t) => {
    const at = desk(t)
    const first = (await at.key('master', 'set', '--generate')).stdout
    await at.key('set', 'master', '--rpm', '9')
    const { id } = at.record('master')
    const second = (await at.key('master', 'set', '--generate')).stdout
    const third = (await at.key('master', 'rotate', '--grace', '1h')).stdout
    const record = at.record('master')
    assert.equal(at.keys().length, 1)
    assert.deepEqual([record.id, record.terms.rpm, record.secrets.length], [id, 9, 2])
    const statuses = await Promise.all([first, second, third].map((text) => at.keyWith(text, 'check')))
    assert.deepEqual(
      statuses.map(({ status }) => status),
      [1, 0, 0],
    )
  })

  test('may be chosen by hand', async (t) => {
    const at = desk(t)
    const text = 'gw_Kf8-wq2.Zx7~Lp0-Vn5Tb3Rj9Hd1-Qc4'
    const { status, stdout, stderr } = await at.keyWith(`${text}\n`, 'master', 'set')
    assert.equal(status, 0, stderr)
    assert.deepEqual(findKey(stdout + stderr, text), [])
    const checked = await at.keyWith(text, 'check')
    assert.match(checked.stdout, /The key of "master" .* secret set-[0-9A-Za-z]{8}: valid/)
    assert.equal((await at.keyWith(text.slice(0, -1), 'check')).status, 1)
  })

  const weak: readonly (readonly [text: string, expected: RegExp])[] = [
    ['', /no key was entered/],
    ['sk-1234', /must begin with gw_/],
    ['gw_1234', /must have 32 to 200 characters/],
    [`gw_${'a'.repeat(60)}`, /too easy to guess/],
    [`gw_${'0123456789'.repeat(3)}`, /everybody would try/],
    ['gw_098712340987123409871234098712', /too easy to guess/],
    ['gw_this-is-my-Password-for-2026-ok-fine', /everybody would try/],
    ['gw_ with spaces in it that are not allowed', /letters, digits/],
    [`gw_${'Kf8wq2Zx7Lp0Vn5Tb3Rj9Hd1'.repeat(10)}`, /must have 32 to 200/],
  ]
  for (const [text, expected] of weak) {
    test(`is refused when it is weak: ${text.slice(0, 40)}`, async (t) => {
      const at = desk(t)
      const { status, stdout, stderr } = await at.keyWith(text, 'master', 'set')
      assert.equal(status, 1)
      assert.match(stderr, expected)
      if (text.length > 8) assert.ok(!(stdout + stderr).includes(text.slice(3)))
      assert.equal(existsSync(join(at.folder, 'keys.json')), false)
    })
  }

  test('has no length unless it is generated', async (t) => {
    const { status, stderr } = await desk(t).keyWith('gw_x', 'master', 'set', '--length', '64')
    assert.equal(status, 2)
    assert.match(stderr, /add --generate/)
  })
})

suite('budgets of a key', () => {
  test('are created, shown and changed', async (t) => {
    const at = desk(t)
    await created(at, 'ann', '--budget', '5usd/day', '--budget', '1000tokens/total')
    assert.deepEqual(at.record('ann').terms.budgets, [
      { unit: 'usd', limit: 5_000_000_000, per: 'day' },
      { unit: 'tokens', limit: 1000, per: 'total' },
    ])
    assert.match((await at.key('list')).stdout, /5usd\/day, 1000tokens\/total/)
    assert.equal((await at.key('set', 'ann', '--budget', '0.5usd/week')).status, 0)
    assert.deepEqual(at.record('ann').terms.budgets, [{ unit: 'usd', limit: 500_000_000, per: 'week' }])
    const mixed = await at.key('set', 'ann', '--budget', 'none', '--budget', '1usd/day')
    assert.deepEqual([mixed.status, /or none alone/.test(mixed.stderr)], [2, true])
    assert.equal(at.record('ann').terms.budgets.length, 1)
    const removed = await at.key('set', 'ann', '--budget', 'none')
    assert.match(removed.stdout, /"ann" may use every model, without limits\./)
    assert.deepEqual(at.record('ann').terms.budgets, [])
    assert.doesNotMatch((await at.key('show', 'ann')).stdout, /^spent/m)
  })

  const skip = process.platform === 'linux' ? false : 'only Linux has the lock of a running gateway'
  test('are shown with what is spent and reserved, where a gateway runs', { skip }, async (t) => {
    const at = desk(t)
    await created(at, 'ann', '--budget', '5usd/total')
    const windows = [['total', 0, 1_500_000_000, 70]]
    const account = { name: `key:${at.record('ann').id}`, nano: 10_000_000, tokens: 9, windows }
    writeFileSync(
      join(at.folder, 'budgets.json'),
      JSON.stringify({ version: 1, timeZone: 'UTC', accounts: [account] }),
    )
    assert.equal(holdLock(join(at.folder, 'limits.lock')).kind, 'held')
    assert.match((await at.key('show', 'ann')).stdout, /^spent +1\.5 of 5usd\/total, 0\.01 reserved$/m)
    const { spending } = JSON.parse((await at.key('show', 'ann', '--json')).stdout)
    assert.deepEqual(spending, [{ budget: '5usd/total', spent: '1.5', reserved: '0.01', resets_at: null }])
    const list = (await at.key('list')).stdout
    assert.match(list, / spent\n.* 1\.5 \(\+0\.01\) of 5usd\/total/)
    assert.deepEqual(JSON.parse((await at.key('list', '--json')).stdout).keys[0].spending, spending)
    // Budgets were in use, and their file is lost: nothing is known, which is not 0.
    rmSync(join(at.folder, 'budgets.json'))
    writeFileSync(join(at.folder, 'budgets.used'), '')
    assert.doesNotMatch((await at.key('show', 'ann')).stdout, /^spent/m)
  })

  test(
    'begin anew at midnight of the configured time zone, before anything was spent too',
    { skip },
    async (t) => {
      const at = desk(t, 'budgets: { time_zone: Asia/Kolkata }\n')
      await created(at, 'ann', '--budget', '5usd/day')
      assert.equal(holdLock(join(at.folder, 'limits.lock')).kind, 'held')
      const resets = async () => {
        const { stdout } = await at.key('show', 'ann', '--json')
        return (JSON.parse(stdout) as { spending: { resets_at: string }[] }).spending[0]!.resets_at
      }
      // Half past six in the evening, UTC.
      assert.match(await resets(), /T18:30:00\.000Z$/)
      const write = (timeZone: string, accounts: readonly object[]) =>
        writeFileSync(join(at.folder, 'budgets.json'), JSON.stringify({ version: 1, timeZone, accounts }))
      // As `usage repair --accept-loss` begins it.
      write('UTC', [])
      assert.match(await resets(), /T18:30:00\.000Z$/)
      // What the gateway counts in, where the configuration was changed and not loaded.
      write('UTC', [{ name: 'key:k_x', nano: 0, tokens: 0, windows: [['day', 0, 1, 1]] }])
      assert.match(await resets(), /T00:00:00\.000Z$/)
    },
  )
})

suite('key list, show and check', () => {
  test('print what there is, as a table and as JSON, without digests', async (t) => {
    const at = desk(t)
    assert.match((await at.key('list')).stdout, /There are no keys in .*keys\.json\./)
    const text = await created(at, 'ann', '--models', 'qwen*', '--rpm', '60', '--note', 'esc\u001b[2J')
    await created(at, 'bob', '--not-before', '5d')
    await created(at, 'old', '--expires', '2020-01-01')

    const list = await at.key('list')
    assert.match(list.stdout, /^ann +valid +qwen\* +60 rpm +never +esc\\u001b\[2J$/m)
    assert.match(list.stdout, /^bob +not valid yet +every model +- /m)
    assert.match(list.stdout, /^old +expired /m)
    assert.match(list.stdout, /3 keys; keys are off/)
    const json = JSON.parse((await at.key('list', '--json')).stdout) as { keys: Record<string, unknown>[] }
    assert.deepEqual(
      json.keys.map(({ name, state }) => [name, state]),
      [
        ['ann', 'valid'],
        ['bob', 'not valid yet'],
        ['old', 'expired'],
      ],
    )
    const show = await at.key('show', 'ann', '--json')
    assert.deepEqual(json.keys[0], JSON.parse(show.stdout))
    assert.match((await at.key('show', 'ann')).stdout, /^secret +[0-9A-Za-z]{12}, created .* UTC$/m)
    const digest = digestOf(text).toString('hex')
    assert.ok(!(list.stdout + show.stdout + JSON.stringify(json)).includes(digest.slice(0, 16)))
  })

  test('check says what is wrong with a key', async (t) => {
    const at = desk(t)
    const text = await created(at, 'ann', '--expires', '2020-01-01')
    const cases = [
      [text, /The key of "ann" \(k_\w+\), secret \w+: it has expired\./],
      [`${text}x`, /its checksum does not match/],
      [text.slice(0, -1), /incomplete or mistyped/],
      [createKey('gw_', 43).text, /there is no such key; its secret [0-9A-Za-z]{12} may have been revoked/],
      [createKey('sk_', 43).text, /it does not begin with gw_/],
      ['', /no key was entered/],
    ] as const
    for (const [input, expected] of cases) {
      const { status, stdout, stderr } = await at.keyWith(`${input}\n`, 'check')
      assert.equal(status, 1)
      assert.match(stdout + stderr, expected)
      if (input !== '') assert.deepEqual(findKey(stdout + stderr, input.slice(16)), [])
    }
    const json = await at.keyWith(text, 'check', '--json')
    assert.equal(json.status, 1)
    assert.deepEqual(JSON.parse(json.stdout), {
      valid: false,
      refused: 'key_expired',
      name: 'ann',
      id: at.record('ann').id,
      secret: text.slice(3, 15),
    })
  })
})

suite('a key file with a fault', () => {
  test('is named with every fault and its place, by all commands, and stays as it is', async (t) => {
    const at = desk(t)
    const path = join(at.folder, 'keys.json')
    const text =
      '{"version":1,"generation":3,"keys":[{"id":"x","name":"ann","role":"client","secrets":[],"rps":1}]}'
    writeFileSync(path, text, { mode: 0o600 })
    for (const args of [['list'], ['show', 'ann'], ['create', 'bob'], ['revoke', 'ann'], ['check']]) {
      const { status, stderr } = await at.keyWith('gw_x', ...args)
      assert.equal(status, 1, args.join(' '))
      assert.match(stderr, /error: .*keys\.json: keys\[0\]\.rps is not known\n/)
      assert.match(stderr, /error: .*keys\.json: keys\[0\]\.id must be k_/)
    }
    assert.equal(readFileSync(path, 'utf8'), text)
  })

  test('that others may write is refused', async (t) => {
    const at = desk(t)
    await created(at, 'ann')
    chmodSync(join(at.folder, 'keys.json'), 0o666)
    const { status, stderr } = await at.key('list')
    assert.equal(status, 1)
    assert.match(stderr, /is writable by everybody .*chmod/)
  })
})

suite('a change', () => {
  const required = 'keys: { mode: required }\n'

  test('counts later when no gateway runs', async (t) => {
    const { status, stderr } = await desk(t, required).key('create', 'ann')
    assert.equal(status, 0)
    assert.match(stderr, /No gateway runs; this counts from its next start on\./)
  })

  test(
    'is not held against a gateway that serves another file',
    { skip: process.platform === 'linux' ? false : 'only Linux has the lock of a running gateway' },
    async (t) => {
      const at = desk(t, required)
      assert.equal(holdLock(join(at.folder, 'limits.lock')).kind, 'held')
      const other = join(at.folder, 'other.yaml')
      const state = { control: 1, pid: process.pid, config: other }
      const control = await openControl(
        join(at.folder, 'control.sock'),
        new Map([['GET /-/state', () => state]]),
        assert.ifError,
      )
      t.after(() => control.close())
      const { status, stderr } = await at.key('create', 'ann')
      assert.equal(status, 0, stderr)
      assert.ok(
        stderr.includes(`The gateway that runs serves ${other}, and none this configuration; this counts`),
      )
    },
  )

  test('says that keys are off, and how to use them', async (t) => {
    const { stderr } = await desk(t).key('create', 'ann')
    assert.match(
      stderr,
      /Keys are off: .* add keys: \{ mode: required, .* \} to .*llm-gateway\.yaml, and restart/,
    )
  })

  test(
    'is in force when the gateway has reported its generation',
    { skip: process.platform === 'linux' ? false : 'only Linux has the lock of a running gateway' },
    async (t) => {
      const at = desk(t, required)
      assert.equal(holdLock(join(at.folder, 'limits.lock')).kind, 'held')
      const state = (generation: number, refused?: string) =>
        writeFileSync(
          join(at.folder, 'keys.state'),
          formatKeysState({
            generation,
            loadedAtMs: 0,
            threads: 4,
            ...(refused !== undefined && { refused }),
          }),
        )
      const gateway = watch(at.folder, (_, name) => {
        if (name === 'keys.json') state(at.generation())
      })
      t.after(() => gateway.close())

      const { status, stderr } = await at.key('create', 'ann')
      assert.equal(status, 0)
      assert.match(stderr, /In force after \d+ ms in 4 threads\./)
      await at.key('create', 'bob')
      assert.match((await at.key('list')).stdout, /2 keys; in force as generation 2 since 1970-01-01/)

      gateway.close()
      state(1, 'keys.json: keys[0].name is wrong')
      assert.match(
        (await at.key('list')).stdout,
        /not in force: the gateway has generation 1 .*, the file is 2: keys\.json: keys\[0\]\.name is wrong/,
      )
    },
  )
})
