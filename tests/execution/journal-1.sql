BEGIN TRANSACTION;
CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            run INTEGER NOT NULL REFERENCES runs (id),
            step TEXT,
            time TEXT NOT NULL,
            kind TEXT NOT NULL,
            detail TEXT NOT NULL
        ) STRICT
        ;
INSERT INTO "events" VALUES(1,1,'s1','2026-11-20T10:00:00.010Z','intent','{"live": true}');
INSERT INTO "events" VALUES(2,1,'s1','2026-11-20T10:00:12.500Z','outcome','{"outcome": "done", "reason": ""}');
INSERT INTO "events" VALUES(3,1,'s2','2026-11-20T10:00:12.510Z','intent','{"live": true}');
CREATE TABLE runs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            cluster TEXT NOT NULL,
            plan TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('running', 'complete', 'incomplete')),
            started_at TEXT NOT NULL,
            finished_at TEXT,
            process INTEGER NOT NULL,
            version TEXT NOT NULL
        ) STRICT
        ;
INSERT INTO "runs" VALUES(1,'lab','{}','running','2026-11-20T10:00:00.000Z',NULL,4711,'0.1.0');
CREATE TABLE steps (
            run INTEGER NOT NULL REFERENCES runs (id),
            step TEXT NOT NULL,
            position INTEGER NOT NULL,
            domain TEXT NOT NULL,
            uuid TEXT NOT NULL,
            source TEXT NOT NULL,
            destination TEXT NOT NULL,
            name_after TEXT NOT NULL,
            state TEXT NOT NULL CHECK (
                state IN ('planned', 'intended', 'done', 'failed', 'unknown', 'skipped', 'not started')
            ),
            reason TEXT NOT NULL DEFAULT '',
            intended_at TEXT,
            finished_at TEXT,
            host_now TEXT,
            name_now TEXT,
            predicted_duration REAL NOT NULL,
            predicted_downtime REAL NOT NULL,
            predicted_bytes INTEGER NOT NULL,
            duration REAL,
            downtime REAL,
            bytes INTEGER,
            PRIMARY KEY (run, step)
        ) STRICT
        ;
INSERT INTO "steps" VALUES(1,'s1',0,'a','00000000-0000-4000-8000-000000000061','h1','h2','a','done','','2026-11-20T10:00:00.010Z','2026-11-20T10:00:12.500Z','h2','a',12.0,0.1,1000000000,11.8,0.08,1010000000);
INSERT INTO "steps" VALUES(1,'s2',1,'b','00000000-0000-4000-8000-000000000062','h1','h3','b-h1','intended','','2026-11-20T10:00:12.510Z',NULL,NULL,NULL,12.0,0.1,1000000000,NULL,NULL,NULL);
CREATE INDEX events_by_run ON events (run, id);
COMMIT;
PRAGMA user_version = 1;
