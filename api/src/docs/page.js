// Shows /openapi.json and sends requests to this very server. Nothing is loaded from elsewhere, and
// everything that is shown is set as text, never as markup.
'use strict';

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

let spec;

const resolve = (part) => {
  if (!part || !part.$ref) return part;
  return part.$ref.slice(2).split('/').reduce((at, key) => at[key.replace(/~1/g, '/')], spec);
};

// A schema as a short outline; deep enough to write a request by it.
const outline = (schema, depth = 0) => {
  const it = resolve(schema);
  if (!it) return 'any';
  const several = it.oneOf || it.anyOf || it.allOf;
  if (several) return several.map((one) => outline(one, depth)).join(it.allOf ? ' & ' : ' | ');
  const type = Array.isArray(it.type) ? it.type.join(' | ') : it.type;
  if (it.properties && depth < 5) {
    const pad = '  '.repeat(depth + 1);
    const required = new Set(it.required || []);
    const lines = Object.entries(it.properties).map(([name, property]) => {
      const says = resolve(property).description;
      const note = says ? `   // ${says.split('\n')[0]}` : '';
      return `${pad}${name}${required.has(name) ? '' : '?'}: ${outline(property, depth + 1)}${note}`;
    });
    return `{\n${lines.join('\n')}\n${'  '.repeat(depth)}}`;
  }
  if (it.items) return `[${outline(it.items, depth)}]`;
  if (it.enum) return it.enum.map((value) => JSON.stringify(value)).join(' | ');
  return it.format ? `${type} (${it.format})` : type || 'any';
};

const table = (head, rows) =>
  make('table', {},
    make('tr', {}, ...head.map((text) => make('th', { textContent: text }))),
    ...rows.map((row) => make('tr', {}, ...row.map((text) => make('td', { textContent: text ?? '' })))));

const tryIt = (method, path, parameters, example) => {
  const inputs = parameters.map((parameter) => {
    const input = make('input', { placeholder: parameter.name, size: 38 });
    return { parameter, input };
  });
  const body = example === undefined ? null
    : make('textarea', { rows: 8, value: JSON.stringify(example, null, 2), spellcheck: false });
  const answer = make('pre', { hidden: true });
  const button = make('button', { textContent: 'Send' });
  button.onclick = async () => {
    let url = path;
    const query = new URLSearchParams();
    const headers = {};
    for (const { parameter, input } of inputs) {
      if (!input.value) continue;
      if (parameter.in === 'path') url = url.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      if (parameter.in === 'query') query.set(parameter.name, input.value);
      if (parameter.in === 'header') headers[parameter.name] = input.value;
    }
    const token = document.getElementById('token').value.trim();
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers['Content-Type'] = 'application/json';
    answer.hidden = false;
    answer.textContent = '…';
    try {
      const reply = await fetch(query.size ? `${url}?${query}` : url,
        { method: method.toUpperCase(), headers, body: body ? body.value : undefined, cache: 'no-store' });
      const text = await reply.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it came */ }
      const etag = reply.headers.get('etag');
      answer.textContent = `${reply.status} ${reply.statusText}${etag ? `\nETag: ${etag}` : ''}\n\n${shown}`;
    } catch (error) {
      answer.textContent = String(error);
    }
  };
  const fields = inputs.map(({ parameter, input }) =>
    make('div', {}, make('label', {}, `${parameter.name} `, input)));
  return make('div', {}, ...fields, ...(body ? [body] : []), button, answer);
};

const operation = (method, path, it) => {
  const parameters = (it.parameters || []).map(resolve);
  const request = it.requestBody && resolve(it.requestBody).content['application/json'];
  const parts = [];
  if (it.description) parts.push(make('p', { textContent: it.description }));
  if (parameters.length) {
    parts.push(table(['parameter', 'in', ''], parameters.map((p) => [p.name, p.in, p.description])));
  }
  if (request) parts.push(make('h4', { textContent: 'Body' }), make('pre', { textContent: outline(request.schema) }));
  const answers = Object.entries(it.responses || {}).map(([status, reply]) => [status, resolve(reply).description]);
  parts.push(make('h4', { textContent: 'Answers' }), table(['status', ''], answers));
  const good = it.responses && resolve(it.responses['200']);
  const shape = good && good.content && good.content['application/json'];
  if (shape && shape.schema) parts.push(make('pre', { textContent: outline(shape.schema) }));
  parts.push(make('h4', { textContent: 'Try it' }),
    tryIt(method, path, parameters, request ? request.example ?? {} : undefined));
  const details = make('details', {},
    make('summary', {},
      make('span', { className: `method ${method}`, textContent: method.toUpperCase() }), ' ',
      make('span', { className: 'path', textContent: path }), ' ',
      make('span', { className: 'says', textContent: it.summary || '' })));
  details.dataset.words = JSON.stringify([method, path, it.summary, parameters.map((p) => p.name), answers]).toLowerCase();
  // The inner part is made when it is looked at: the list stays quick.
  details.ontoggle = () => { if (details.open && details.children.length === 1) details.append(...parts); };
  return details;
};

const show = () => {
  document.getElementById('title').textContent = `${spec.info.title} ${spec.info.version}`;
  document.getElementById('about').textContent = spec.info.description || '';
  const groups = new Map();
  for (const [path, methods] of Object.entries(spec.paths)) {
    for (const [method, it] of Object.entries(methods)) {
      if (!['get', 'post', 'put', 'patch', 'delete'].includes(method)) continue;
      const group = (it.tags && it.tags[0]) || path.split('/')[2] || path.split('/')[1];
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(operation(method, path, it));
    }
  }
  const sections = [...groups].map(([name, list]) =>
    make('section', {}, make('h2', { textContent: name }), ...list));
  document.getElementById('operations').replaceChildren(...sections);
};

document.getElementById('filter').oninput = (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of document.querySelectorAll('section')) {
    let any = false;
    for (const details of section.querySelectorAll('details')) {
      details.hidden = !words.every((word) => details.dataset.words.includes(word));
      any ||= !details.hidden;
    }
    section.hidden = !any;
  }
};

fetch('/openapi.json')
  .then((reply) => reply.json())
  .then((json) => { spec = json; show(); })
  .catch((error) => { document.getElementById('operations').textContent = `Could not load /openapi.json: ${error}`; });
