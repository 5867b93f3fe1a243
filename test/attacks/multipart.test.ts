// Parts of forms whose name two parsers read differently: the gateway would count one model and the provider serve
// another one. Each reads as the model "dear" in one of python-multipart, werkzeug, multipart, email, busboy,
// formidable, cpp-httplib or Go's mime/multipart, or is missing there.
import { rawRequest } from '../support/raw-client.ts'
import { type Attack, attackSuite } from './attack.ts'

const model = 'content-disposition: form-data; name="model"\r\n'
const disposed = (parameters: string) => `content-disposition: form-data${parameters}\r\n`

const odd: [name: string, headers: string][] = [
  ['a backslash before the end of a value', disposed(String.raw`; name="a"; x="\\"; y="; name=model; z="`)],
  ['an escaped quotation mark', disposed(String.raw`; name="a"; x="\"; name=model; y=\""`)],
  ['a backslash at the end', disposed(String.raw`; name="a"; x="\"; name="model"`)],
  [
    'a backslash at the end of a file name',
    disposed(String.raw`; name="a"; filename="x\"; name=model; y="\"`),
  ],
  ['a file in one reading only', disposed(String.raw`; name="model"; x="\"; filename=y; z=\""`)],
  ['a backslash in the name', disposed(String.raw`; name="mod\el"`)],
  ['the name in a value', disposed('; name="a"; x="; name=model; y="')],
  ['the name in a value before', disposed('; x="; name=model; y="; name="a"')],
  ['the name in a file name', disposed('; name="a"; filename="; name=model; y"')],
  ['the name in a file name before', disposed('; filename="name=model"; name="a"')],
  ['a parameter that ends like the name', disposed('; x-name="model"; name="a"')],
  ['the name in single quotes', disposed(`; name='model'`)],
  ['single quotes around a semicolon', disposed(`; x='; name="model"; y='; name="a"`)],
  ['two names', disposed('; name="a"; name="model"')],
  ['two names in two cases', disposed('; name="a"; NAME="model"')],
  ['an extended name', disposed(`; name="a"; name*=UTF-8''model`)],
  ['an extended name in pieces', disposed(`; name="a"; name*0*=UTF-8''mod; name*1=el`)],
  ['an encoded word', disposed('; name="=?utf-8?q?model?="')],
  ['the name in another case', disposed('; name="MODEL"')],
  ['a space before the name', disposed('; name=" model"')],
  ['a space behind the name', disposed('; name="model "')],
  ['a space around the equals sign', disposed('; name = "model"')],
  ['space behind a name without quotes', disposed('; name=a ; x=y')],
  ['a comment', disposed('; name=model(x)')],
  ['an empty parameter', disposed(';; name="model"')],
  ['a semicolon at the end', disposed('; name="model";')],
  ['a parameter without a value', disposed('; name="a"; x; name="model"')],
  ['no end of the quotes', disposed('; name="model')],
  ['another disposition', 'content-disposition: attachment; name="model"\r\n'],
  ['no disposition', 'content-type: text/plain\r\n'],
  ['two dispositions', disposed('; name="a"') + model],
  ['a disposition over two lines', 'content-disposition: form-data;\r\n name="model"\r\n'],
  ['a space before the colon', 'content-disposition : form-data; name="model"\r\n'],
  [
    'a line that ends in LF only',
    'content-disposition: form-data; name="a"\ncontent-disposition: form-data; name="model"\r\n',
  ],
  ['a line that ends in CR only', 'content-disposition: form-data; name="a"\rx: y\r\n'],
  ['a charset', `${model}content-type: text/plain; charset=utf-16le\r\n`],
  ['the type of a file', `${model}content-type: application/octet-stream\r\n`],
  ['parts of its own', `${model}content-type: multipart/mixed; boundary=c\r\n`],
  ['a transfer encoding', `${model}content-transfer-encoding: base64\r\n`],
  ['a charset for all fields', disposed('; name="_charset_"')],
]

const part = (headers: string, value: string) => `--b\r\n${headers}\r\n${value}\r\n`

function sent(body: string): Buffer {
  const headers = { 'content-type': 'multipart/form-data; boundary=b' }
  return rawRequest('POST /v1/audio/transcriptions', headers, body)
}

attackSuite('A form of which one part has', [
  ...odd.flatMap(([name, headers]): Attack[] => [
    {
      name,
      sends: sent(`${part(headers, 'dear')}${part(model, 'plain')}--b--\r\n`),
      expected: 400,
      code: 'invalid_request',
    },
    {
      name: `${name}, and comes last`,
      sends: sent(`${part(model, 'plain')}${part(headers, 'dear')}--b--\r\n`),
      expected: 400,
      code: 'invalid_request',
    },
  ]),
  {
    name: 'line ends of LF only',
    sends: sent(`${part(model, 'plain')}--b--\r\n`.replaceAll('\r\n', '\n')),
    expected: 400,
    code: 'invalid_request',
  },
])
