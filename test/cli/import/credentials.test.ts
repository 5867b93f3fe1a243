// Whatever a foreign file is: nothing is thrown, and no credential of it is in what is written or printed.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import {
  isPlaceholder,
  isPlainHeader,
  looksLikeCredential,
  namesCredential,
} from '../../../src/cli/import/credentials.ts'
import { withoutKeys } from '../../../src/cli/import/llama-swap-macros.ts'
import { sources } from '../../../src/cli/import/sources.ts'
import { fc } from '../../support/properties.ts'
import { importText, loaded } from './import-scene.ts'

const names = fc.constantFrom(
  'a',
  'm',
  'gpt',
  'openai/x',
  'anthropic/claude-3',
  'ollama/q',
  'p,m',
  '*',
  'x/*',
  '__proto__',
  '${HOME}',
  '$HOME',
  'os.environ/HOME',
  '${env.HOME}',
  '${PORT}',
  '${server}',
  'a: b # c',
  'ä\u202e\n',
)
const urls = fc.constantFrom(
  'http://127.0.0.1:1/v1',
  'https://api.example/v1/chat/completions',
  'http://box:8000',
  'http://169.254.169.254/',
  'x',
  '${env.HOME}',
)
const numRuns = 400

/** Known forms of credentials, which may stand anywhere. */
const formed = fc.constantFrom(
  'sk-proj-Mark0Mark0Mark0',
  'ghp_Mark0Mark0Mark0Mark0Mark0',
  'Bearer Mark0Mark0Mark0',
  'https://me:Mark0Mark0@host.example/v1',
  'eyJMark0Mark0Mark0.eyJMark0',
  'https://host.example/v1?api_key=Mark0Mark0',
  'https://host.example/v1?sv=1&sig=Mark0Mark0',
)
const scalars = fc.oneof(
  names,
  urls,
  formed,
  fc.integer({ min: -2, max: 5000 }),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.string({ maxLength: 12 }),
)

/** Keys that the converters know, so that random documents reach them. */
const keys = fc.constantFrom(
  ...'model_list model_name litellm_params model api_base rpm tpm weight order timeout model_info max_input_tokens router_settings fallbacks context_window_fallbacks model_group_alias num_retries cooldown_time litellm_settings general_settings include optional_pre_call_checks default_fallbacks credential_list credential_values'.split(
    ' ',
  ),
  ...'models cmd proxy aliases ttl env filters setParams stripParams setParamsByID useModelName macros server peers selectors targets strategy groups swap exclusive persistent members checkEndpoint concurrencyLimit hooks on_startup preload startPort PORT'.split(
    ' ',
  ),
  ...'discovery static endpoints url name type priority health_check_url check_interval auth model_aliases proxy load_balancer response_timeout rate_limits request_limits max_body_size per_ip_requests_per_minute headers'.split(
    ' ',
  ),
  ...'providers id baseUrl format apiKeyEnv modelAliases ref fallbackTargets rateLimits requests window unit size defaultModel fallbackModels contextWindow'.split(
    ' ',
  ),
  ...'Providers api_base_url Router default background think longContext longContextThreshold fallback transformer use PROXY_URL'.split(
    ' ',
  ),
)

/** Credentials of any form, where credentials stand. */
const literal = fc.constant('Plain.Mark0/Pass_word')
/** One that only its name shows to be a credential. */
const word = fc.constant('horseMarkWord')
const secretKeys = fc.constantFrom(
  'api_key',
  'apiKey',
  'api_keys',
  'apiKeys',
  'master_key',
  'masterKey',
  'APIKEY',
  'token',
  'key',
  'password',
  'redis_password',
  'aws_secret_access_key',
  'credential',
  'pass',
  'dbPassword',
  'PGPASSWORD',
  'accesstoken',
)

const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    scalars,
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof(
        { weight: 8, arbitrary: keys },
        { weight: 1, arbitrary: names },
        { weight: 1, arbitrary: formed },
      ),
      tie('tree'),
      { maxKeys: 5 },
    ),
    fc
      .tuple(fc.dictionary(keys, tie('tree'), { maxKeys: 4 }), secretKeys, literal)
      .map(([rest, key, secret]) => ({ ...rest, [key]: secret })),
  ),
}))

/** Documents of the shape of each source, with anything in their places. */
const documents = fc.oneof(
  fc.record({
    model_list: fc.array(
      fc.record(
        {
          model_name: fc.oneof(names, formed),
          litellm_params: fc.record({
            model: names,
            api_base: urls,
            api_key: literal,
            extra_headers: fc.oneof(
              fc.dictionary(fc.constantFrom('X-A', 'Authorization'), literal),
              fc.dictionary(fc.constantFrom('X-Proxy-Pass', 'X-Usertoken', 'X-Pwd'), word),
            ),
            more: tree,
            timeout: scalars,
          }),
          rpm: scalars,
          model_info: tree,
        },
        { requiredKeys: ['model_name', 'litellm_params'] },
      ),
      { maxLength: 4 },
    ),
    router_settings: tree,
    litellm_settings: tree,
    general_settings: fc.record({ master_key: literal, rest: tree }),
    environment_variables: fc.dictionary(fc.constantFrom('OPENAI_API_KEY', 'B'), literal),
  }),
  fc.record({
    macros: fc.dictionary(fc.constantFrom('server', 'x'), scalars),
    apiKeys: fc.array(literal, { maxLength: 2 }),
    models: fc.dictionary(
      names,
      fc.record(
        {
          cmd: fc.oneof(
            fc.constantFrom(
              '${server} --port ${PORT} --api-key Plain.Mark0/Pass_word',
              'sh -c "K_TOKEN=Plain.Mark0/Pass_word x"',
              'sh -c "PGPASSWORD=horseMarkWord x"',
              '${server} --pass horseMarkWord',
              "/bin/cat 'a",
            ),
            scalars,
          ),
          proxy: urls,
          env: fc.constant([
            'A=b',
            'API_KEY=Plain.Mark0/Pass_word',
            'PGPASSWORD=horseMarkWord',
            'DB_PASS=horseMarkWord',
            'MYSQL_PWD=horseMarkWord',
          ]),
          filters: tree,
          aliases: tree,
          ttl: scalars,
        },
        { requiredKeys: ['cmd'] },
      ),
      { maxKeys: 4 },
    ),
    peers: fc.dictionary(names, fc.record({ proxy: urls, apiKey: literal, models: tree }), { maxKeys: 2 }),
    groups: tree,
    selectors: tree,
  }),
  fc.record({
    discovery: fc.record({
      static: fc.record({
        endpoints: fc.array(
          fc.record(
            {
              url: urls,
              name: names,
              auth: fc.record({ type: names, token: literal, username: literal, password: literal }),
              headers: fc.dictionary(names, fc.oneof(literal, formed)),
              priority: scalars,
            },
            { requiredKeys: ['url'] },
          ),
          { maxLength: 3 },
        ),
      }),
    }),
    model_aliases: tree,
    server: tree,
    proxy: tree,
  }),
  fc.record({
    masterKey: literal,
    providers: fc.array(
      fc.record(
        {
          id: names,
          baseUrl: urls,
          apiKey: literal,
          models: fc.array(fc.oneof(names, tree), { maxLength: 3 }),
          rateLimits: tree,
          headers: fc.dictionary(names, literal),
        },
        { requiredKeys: ['id', 'baseUrl'] },
      ),
      { maxLength: 3 },
    ),
    modelAliases: tree,
  }),
  fc.record({
    APIKEY: literal,
    Providers: fc.array(
      fc.record({
        name: names,
        api_base_url: urls,
        api_key: literal,
        models: fc.array(names, { maxLength: 3 }),
        transformer: tree,
      }),
      { maxLength: 3 },
    ),
    Router: tree,
    fallback: tree,
  }),
  tree,
)

/** Mostly the one whose shape a document has. */
const sourceNames = fc.oneof(
  { weight: 9, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constantFrom(...sources.map(({ name }) => name)) },
)

test('any document is imported or refused, and what is written is valid and without credentials', (t) => {
  let imported = 0
  fc.assert(
    fc.property(documents, sourceNames, fc.boolean(), (value, from, withCommands) => {
      const ended = importText(t, JSON.stringify(value) ?? 'null', {
        from,
        withCommands,
        env: { HOME: 'http://127.0.0.1:3/v1' },
      })
      assert.ok(ended.status === 0 || ended.text === '')
      if (ended.status === 0) {
        imported += 1
        loaded(ended.out, { HOME: 'http://127.0.0.1:3/v1' })
      }
      assert.doesNotMatch(ended.text + ended.stdout + ended.stderr, /Mark(?:0|Word)/)
    }),
    { numRuns },
  )
  assert.ok(imported > numRuns / 10, `${imported} of ${numRuns} were imported`)
})

test('any text is imported or refused', (t) => {
  const pieces = fc.constantFrom(
    'model_list:\n',
    '  - ',
    '{',
    '}',
    '[',
    ']',
    '&a ',
    '*a',
    '<<: ',
    'models: ',
    'cmd: x\n',
    '"',
    "'",
    '#',
    ': ',
    '\n',
    '// c\n',
    '!!binary x',
    '\t',
    ',',
    'peers: { a: { proxy: "http://127.0.0.1:1", models: [m] } }\n',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => {
      const ended = importText(t, parts.join(''))
      assert.ok(ended.status === 0 || ended.text === '')
      if (ended.status === 0) loaded(ended.out)
    }),
    { numRuns: 300 },
  )
})

describe('credentials are told from other texts', () => {
  for (const text of [
    'sk-abcdef123',
    'Authorization: Bearer x',
    'API_KEY=hunter',
    '--api-key hunter',
    'https://a:b@c',
    'sh -c "HF_TOKEN=x y"',
    'https://c/v1?key=x',
    'https://c/v1?sv=1&sig=x',
    'PGPASSWORD=x',
    '--pass x',
  ]) {
    test(`${text} looks like one`, () => assert.ok(looksLikeCredential(text)))
  }
  for (const text of [
    'qwen3:8b',
    '--max-tokens 100',
    'max_tokens=5',
    '--tokenizer x',
    'https://api.example/v1',
    'hf.co/unsloth/Qwen3-8B-GGUF:Q4_K_M',
    '--ssl-key-file /x',
    'skill-coder',
    'http://127.0.0.1:8000/v1',
    '--cache-type-k q8_0',
    'anthropic/claude-sonnet-4-5-20250929',
  ]) {
    test(`${text} does not`, () => assert.ok(!looksLikeCredential(text)))
  }
  for (const name of [
    'api_key',
    'apiKey',
    'HF_TOKEN',
    'X-Access-Token',
    'aws_secret_access_key',
    'password',
    'PGPASSWORD',
    'DB_PASS',
    'MYSQL_PWD',
    'X-Proxy-Pass',
    'clientsecret',
    'authtoken',
    'sig',
    'ADMIN_TOKEN',
    '--renew-token',
    'TS_AUTHKEY',
  ]) {
    test(`${name} names one`, () => assert.ok(namesCredential(name)))
  }
  for (const name of [
    'max_tokens',
    'temperature',
    'input_cost_per_token',
    'prompt_cache_key',
    'keepalive',
    'num_tokens',
    'bypass',
    'design',
    'passes',
  ]) {
    test(`${name} does not`, () => assert.ok(!namesCredential(name)))
  }
  for (const [header, value] of [
    ['X-Admin-Token', 'swordfish'],
    ['Cf-Access', 'topsecretword'],
    ['Referer', 'https://h.example/?code=swordfish'],
  ] as const) {
    test(`${header} is not copied`, () => assert.ok(!isPlainHeader(header, value)))
  }
  test('a header that says who calls is', () => assert.ok(isPlainHeader('X-Title', 'My program')))
  test('an option may take several keys', () => {
    assert.deepEqual(
      withoutKeys(['llama-server', '-hft', 'alpha9x', '-k', 'beta7y', '--token', '-gamma3z', '--port', '1']),
      {
        words: ['llama-server', '--port', '1'],
        keys: ['alpha9x', 'beta7y', '-gamma3z'],
      },
    )
    assert.deepEqual(withoutKeys(['vllm', 'serve', 'm', '--api-key', 'alpha9x', 'beta7y', '--port', '1']), {
      words: ['vllm', 'serve', 'm', '--port', '1'],
      keys: ['alpha9x', 'beta7y'],
    })
  })
  test('placeholders are no credentials', () => {
    for (const text of ['none', 'EMPTY', 'lm-studio', 'sk-no-key-required'])
      assert.ok(isPlaceholder(text), text)
    for (const text of ['sk-1234', 'hunter2']) assert.ok(!isPlaceholder(text), text)
  })
})
