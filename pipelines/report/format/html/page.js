/** The page's script: filters, and each profile beside the one before and today's. Without it every record still opens. */

const records = [...document.querySelectorAll('details.record')];
const list = document.getElementById('list');
const form = document.getElementById('filters');
const shown = document.getElementById('shown');
const unfiltered = shown.textContent;

/* Profiles side by side */

const ABSENT = '—';

/** The rows of a version by the number of their path, read once out of its own table further down in the page. */
const readRows = once((index) => {
  const rows = new Map();
  for (const row of document.querySelectorAll(`#p-${index} tr[data-k]`))
    rows.set(row.dataset.k, { value: row.dataset.v, path: row.cells[0], text: row.cells[1] });
  return rows;
});

const today = { index: document.body.dataset.today, text: document.body.dataset.todayText };

function profileOf(record) {
  const { p: index, pt } = record.dataset;
  return { index, text: pt ?? document.getElementById(`v-${index}`).firstChild.textContent };
}

function rowsOf({ index }) {
  return index === '' ? new Map() : readRows(index);
}

function addProfile(record) {
  if (record.querySelector('table.profile') !== null) return;
  const previous = records[records.indexOf(record) - 1];
  const columns = [
    ...(previous === undefined ? [] : [{ head: 'Message before', of: profileOf(previous) }]),
    { head: 'At the message', of: profileOf(record), isThen: true },
    { head: 'Today', of: today },
  ].map((column) => ({ ...column, rows: rowsOf(column.of) }));
  const then = columns.find(({ isThen }) => isThen).rows;
  const paths = new Map(columns.flatMap(({ rows }) => [...rows]).map(([key, { path }]) => [key, path]));
  if (paths.size === 0) return;

  const table = make('table', 'profile three');
  table.append(
    make('caption', '', 'The profile at the time of this message, beside the message before and today'),
  );
  const head = make('tr');
  head.append(headCell('col', 'Attribute'));
  for (const { head: name, of, isThen } of columns) {
    const cell = headCell('col', `${name} `);
    if (isThen) cell.className = 'then';
    cell.append(make('small', '', of.text));
    head.append(cell);
  }
  const top = make('thead');
  top.append(head);
  const body = make('tbody');
  for (const [key, path] of [...paths].sort(([, a], [, b]) => compare(a.textContent, b.textContent)))
    body.append(profileRow(key, path, { columns, then }));
  table.append(top, body);
  const frame = make('div', 'frame');
  frame.append(table);
  record.querySelector('.body').append(frame);
}

function profileRow(key, path, { columns, then }) {
  const row = make('tr');
  row.append(path.cloneNode(true));
  const own = then.get(key);
  for (const { rows, isThen } of columns) {
    const other = rows.get(key);
    const isDifferent = other?.value !== own?.value;
    const cell = make('td', isThen ? 'then' : isDifferent ? 'differs' : 'alike');
    if (other === undefined) cell.append(make('span', 'absent', ABSENT));
    else cell.append(...other.text.cloneNode(true).childNodes);
    if (isDifferent) {
      row.classList.add('differing');
      cell.append(' ', make('span', 'tag', 'different'));
    }
    row.append(cell);
  }
  return row;
}

list.addEventListener(
  'toggle',
  ({ target }) => {
    if (target.open && target.matches('details.record')) addProfile(target);
  },
  true,
);

/* Filters */

/** What the search finds a record by: what stands in it, and the profile of its time. */
const textOf = once((record) => {
  const own = [record.querySelector('summary'), ...record.querySelectorAll('.message, .entries')];
  return folded([...own.map((part) => part.textContent), profileText(record.dataset.p)].join('\n'));
});

const profileText = once((index) =>
  [...rowsOf({ index }).values()]
    .map(({ path, text }) => `${path.textContent} ${text.textContent}`)
    .join('\n'),
);

/** Upper and lower case alike, and accents left out. */
function folded(text) {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

function matches(record, { c, h, t, words }) {
  const { dataset } = record;
  return (
    (c === '' || dataset.c === c) &&
    (h === '' || dataset.h === h) &&
    (t === '' || dataset.t.split(' ').includes(t)) &&
    words.every((word) => textOf(record).includes(word))
  );
}

function filter() {
  const { c, h, t, q } = form.elements;
  const words = folded(q.value)
    .split(/\s+/)
    .filter((word) => word !== '');
  const wanted = { c: c.value, h: h.value, t: t.value, words };
  let count = 0;
  for (const record of records) {
    record.hidden = !matches(record, wanted);
    if (!record.hidden) count += 1;
  }
  for (const month of document.querySelectorAll('.month'))
    month.hidden = month.querySelector('details.record:not([hidden])') === null;
  for (const lane of document.querySelectorAll('[data-c].lane'))
    lane.classList.toggle('dim', wanted.c !== '' && lane.dataset.c !== wanted.c);
  say(count, [c, h, t, q]);
}

/** On paper as well: a print must not pass for the whole report. */
function say(count, controls) {
  const used = controls
    .filter(({ value }) => value !== '')
    .map((control) => `${nameOf(control)} “${chosenOf(control)}”`);
  const number = (value) => Number(value).toLocaleString('en-US');
  shown.textContent =
    used.length === 0
      ? unfiltered
      : `${number(count)} of ${number(shown.dataset.total)} messages shown: ${used.join(', ')}.`;
  shown.classList.toggle('filtered', used.length > 0);
}

function nameOf(control) {
  return control.closest('label').firstChild.textContent.trim().toLowerCase();
}

function chosenOf(control) {
  return control.selectedOptions === undefined
    ? control.value
    : control.selectedOptions[0].textContent.replace(/ \([\d,]+\)$/, '');
}

form.addEventListener('submit', (event) => event.preventDefault());
form.addEventListener('input', filter);
form.addEventListener('reset', () => setTimeout(filter));
document.getElementById('open-all').addEventListener('click', () => openAll(true));
document.getElementById('close-all').addEventListener('click', () => openAll(false));

function openAll(open) {
  for (const record of records) {
    if (record.hidden) continue;
    record.open = open;
    if (open) addProfile(record);
  }
}

/* Ways through the page */

/** From a lane's name to its messages, from a mark to its record. */
document.getElementById('timeline')?.addEventListener('click', ({ target }) => {
  const lane = target.closest('[data-lane]');
  if (lane !== null) {
    form.elements.c.value = lane.dataset.lane;
    filter();
  }
  const record = document.getElementById(`r${target.closest('[data-r]')?.dataset.r}`);
  if (record === null) return;
  if (record.hidden) form.reset();
  setTimeout(() => show(record));
});

function show(record) {
  record.open = true;
  record.scrollIntoView({ block: 'center' });
  record.querySelector('summary').focus({ preventScroll: true });
}

/** A mark says what it stands for once it is pointed at: thousands of titles would be as many elements. */
document.querySelector('.picture')?.addEventListener('pointerover', ({ target }) => {
  if (target.dataset.title === undefined || target.firstChild !== null) return;
  const title = document.createElementNS('http://www.w3.org/2000/svg', 'title');
  title.textContent = target.dataset.title;
  target.append(title);
});

/** Browsers differ in whether a link opens what it leads into. */
document.addEventListener('click', ({ target }) => {
  const link = target.closest('a[href^="#"]');
  const details = link && document.getElementById(link.hash.slice(1))?.closest('details');
  if (details) details.open = true;
});

/** With the arrow keys from record to record: Tab would stop at every link on the way. */
list.addEventListener('keydown', (event) => {
  const own = event.target.closest('summary')?.parentElement;
  if (!own?.matches('details.record')) return;
  const open = records.filter(({ hidden }) => !hidden);
  const at = open.indexOf(own);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: open.length - 1 }[event.key];
  if (open[to] === undefined) return;
  event.preventDefault();
  open[to].querySelector('summary').focus();
});

/* Small things */

function make(name, className = '', text = '') {
  const element = document.createElement(name);
  if (className !== '') element.className = className;
  if (text !== '') element.textContent = text;
  return element;
}

function headCell(scope, text) {
  const cell = make('th', '', text);
  cell.scope = scope;
  return cell;
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

function once(action) {
  const known = new Map();
  return (key) => {
    if (!known.has(key)) known.set(key, action(key));
    return known.get(key);
  };
}

form.hidden = false;
// A browser that comes back to the page may have kept what stood in the controls.
if ([...form.elements].some(({ value }) => value !== '')) filter();
