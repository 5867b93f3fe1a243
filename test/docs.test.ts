// What the documents say is held against the code.
import assert from 'node:assert/strict'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { clients } from '../src/cli/connect/clients.ts'
import { loadConfig } from '../src/config/load.ts'
import { defaults } from '../src/config/defaults.ts'
import { nativeRoutesOf } from '../src/dialects/native/routes.ts'
import { apiPath } from '../src/http/api-path.ts'
import { dialects } from '../src/dialects/table.ts'
import { renderError } from '../src/dialects/openai/errors.ts'
import { type ErrorCode, errorTable, GatewayError } from '../src/errors.ts'
import type { FailureKind } from '../src/domain.ts'
import { TargetHealth } from '../src/routing/target-health.ts'
import { scratchDirectory } from './support/config-file.ts'

const root = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')

describe('docs/http.md', () => {
  test('lists every error of the gateway with its status and type, sorted', () => {
    const rows = [...read('docs/http.md').matchAll(/^\| (\w+) \| (\d{3}) \| (\w+) \|$/gm)]
    const status = { requests: undefined, tokens: undefined }
    const limit = { counts: 'requests', status, retryAfterMs: 1 } as const
    const expected = Object.entries(errorTable).map(([code, status]) => {
      const error = new GatewayError(code as ErrorCode, '', status === 429 ? { limit } : {})
      const body = JSON.parse(renderError(error).body.toString()) as { error: { type: string } }
      return [code, String(status), body.error.type]
    })
    assert.deepEqual(
      rows.map(([, ...cells]) => cells),
      expected.toSorted(([one = ''], [other = '']) => one.localeCompare(other)),
    )
  })

  test('names every route of the API', () => {
    const text = read('docs/http.md')
    for (const { path } of dialects.keys()) assert.ok(text.includes(apiPath(path)), path)
  })
})

describe('docs/native-routes.md', () => {
  const rows = read('docs/native-routes.md')
    .split('\n')
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )

  /** `GET` and `HEAD and GET` stand before the paths that they are for. */
  function routesIn(cell = ''): string[] {
    return cell.split('; ').flatMap((part) => {
      const methods = /^[A-Z]+(?: and [A-Z]+)*/.exec(part)?.[0].split(' and ') ?? []
      const paths = Array.from(part.matchAll(/`(\/[^`]+)`/g), ([, path]) => path)
      return methods.flatMap((method) => paths.map((path) => `${method} ${path}`))
    })
  }

  for (const kind of ['llama_cpp', 'ollama', 'vllm', 'openai'] as const) {
    test(`has the table of ${kind} as the code has it`, () => {
      const cells = rows.find(([first]) => first === `\`${kind}\``)?.slice(1)
      const routes = nativeRoutesOf(kind)
      for (const [index, needs] of [undefined, 'own_user', 'management'].entries()) {
        const expected = routes.filter((route) => route.needs === needs)
        const names = expected.map(({ method, path }) => `${method} ${path}`)
        assert.deepEqual(routesIn(cells?.[index]).toSorted(), names.toSorted())
      }
    })
  }
})

describe('README.md', () => {
  test('can be read in one go', () => {
    assert.ok(read('README.md').split('\n').length <= 250)
  })

  test('has a configuration by example that is valid with the keys that the text below it exports', (t) => {
    const section =
      read('README.md')
        .split('\n## ')
        .find((text) => text.startsWith('Configure\n')) ?? ''
    const example = /```yaml\n(providers:[\s\S]*?)```/.exec(section)?.[1]
    assert.ok(example !== undefined)
    const exported = /`export ([^`]+)`/.exec(section)?.[1] ?? ''
    const env = Object.fromEntries(exported.split(' ').map((each) => each.split('=')))
    const folder = scratchDirectory(t)
    const file = join(folder, 'gateway.yaml')
    writeFileSync(file, example)
    chmodSync(file, 0o600)
    const loaded = loadConfig(file, { env, hasServiceManager: true })
    assert.deepEqual(loaded.ok ? [] : loaded.problems, [])
  })

  test('names scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    for (const [, name = ''] of read('README.md').matchAll(/npm run ([\w:-]+)/g))
      assert.ok(name in scripts, name)
  })
})

describe('CHANGELOG.md', () => {
  test('begins each release with what operators have to do', () => {
    const releases = read('CHANGELOG.md').split(/^## /m).slice(1)
    assert.ok(releases.length > 0)
    for (const release of releases) {
      const [title = '', first] = release.split(/\n+/)
      assert.equal(first, '### What operators have to do', title)
    }
  })
})

describe('docs/first-steps.md', () => {
  test('has every client of connect, with or without a file', () => {
    const text = read('docs/first-steps.md')
    const withoutFile = /^\| (.*) \| none: variables/m.exec(text)?.[1]?.match(/[\w-]+/g)
    const withFile = [...text.matchAll(/^\| `([\w-]+)` \| `~/gm)].map(([, name]) => name)
    const namesOf = (hasFile: boolean) =>
      clients.filter(({ file }) => (file !== undefined) === hasFile).map(({ name }) => name)
    assert.deepEqual([withFile, withoutFile], [namesOf(true), namesOf(false)])
  })
})

describe('docs/services.md', () => {
  const examples = read('docs/services.md').matchAll(/^( *)```yaml\n([^]*?)^ *```/gm)
  for (const [index, [, indent = '', example = '']] of [...examples].entries()) {
    test(`has an example that is valid (${index + 1})`, (t) => {
      const file = join(scratchDirectory(t), 'gateway.yaml')
      writeFileSync(file, example.replaceAll(new RegExp(`^${indent}`, 'gm'), ''))
      chmodSync(file, 0o600)
      const loaded = loadConfig(file, { env: {}, withoutSecrets: true, hasServiceManager: true })
      assert.deepEqual(loaded.ok ? loaded.warnings : loaded.problems, [])
    })
  }

  test('names examples of units that exist', () => {
    const named = [...read('docs/services.md').matchAll(/systemd\/examples\/[\w@./-]+/g)]
    for (const [path = ''] of named) assert.ok(existsSync(join(root, path)), path)
    assert.ok(named.length > 3)
  })
})

describe('all documents', () => {
  for (const file of [
    'README.md',
    'ARCHITECTURE.md',
    'docs/calls.md',
    'docs/clients.md',
    'docs/first-steps.md',
    'docs/from-other-gateways.md',
    'docs/http.md',
    'docs/identity.md',
    'docs/keys.md',
    'docs/limits.md',
    'docs/observing.md',
    'docs/performance.md',
    'docs/routing.md',
    'docs/secrets.md',
    'docs/security.md',
    'docs/services.md',
    'docs/systemd.md',
    'docs/remote.md',
    'docs/packages.md',
    'docs/trials/oauth2-proxy.md',
    'docs/trials/packages.md',
    'docs/trials/services.md',
  ]) {
    test(`${file} links to files that exist`, () => {
      const links = [...read(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)/g)]
      const folder = file.includes('/') ? join(root, file, '..') : root
      for (const [, link = ''] of links) assert.ok(existsSync(join(folder, link)), link)
    })
  }
})

describe('docs/routing.md', () => {
  const rows = [
    ...read('docs/routing.md').matchAll(/^\| `(\w+)` \| ([\d.]+) s \| ([\d.]+) s \| the (\w+) \|$/gm),
  ]
  const failureKinds: Readonly<Record<FailureKind, true>> = {
    unreachable: true,
    timeout: true,
    broken: true,
    overloaded: true,
    loading: true,
    rate_limit: true,
    auth: true,
    billing: true,
    missing_model: true,
    not_started: true,
  }
  const target = { provider: 'p', model: 'm', tier: 1, weight: 1 }
  const namesake = { ...target, model: 'n' }

  test('has the cool-down of every kind of failure', () => {
    assert.deepEqual(new Set(rows.map(([, name]) => name)), new Set(Object.keys(failureKinds)))
    for (const [, name = '', remote, local, whose] of rows) {
      const failureKind = name as FailureKind
      const cooldownMs = defaults.routing.cooldown_ms
      const [far, near] = [false, true].map((isLocal) => {
        const health = new TargetHealth()
        health.recordFailure(target, failureKind, { cooldownMs, isLocal, retryAfterMs: undefined, nowMs: 0 })
        const isOfAll = !health.stateOf(namesake, 0).isReady
        return { seconds: health.stateOf(target, 0).readyAtMs / 1000, whose: isOfAll ? 'provider' : 'target' }
      })
      assert.deepEqual(far, { seconds: Number(remote), whose }, name)
      assert.deepEqual(near, { seconds: Number(local), whose }, name)
    }
  })
})

test('ARCHITECTURE.md shows the folders that there are', () => {
  const text = read('ARCHITECTURE.md')
  const layout = /```\nsrc\/\n([\s\S]*?)```/.exec(text)?.[1] ?? ''
  const named = [...layout.matchAll(/(?:^|\s)([\w/-]+)\/ {2,}/g)].map(([, name = '']) => name)
  assert.ok(named.length >= 10, 'the layout is read')
  for (const name of named) assert.ok(existsSync(join(root, 'src', name)), name)
})
