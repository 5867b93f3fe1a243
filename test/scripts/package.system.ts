// What of the packages needs a build, npm or git, but neither root nor network; debian.real.ts has the rest.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
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
